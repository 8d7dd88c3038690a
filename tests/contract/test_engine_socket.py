"""Each way to an engine's socket: the relay and the docker CLI, as root and behind sudo."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace

import fabric
import pytest

from overweave.adapters.engine_api import EngineApi
from overweave.adapters.engine_socket import PERL, SOCKET
from overweave.adapters.ssh import SshHost
from overweave.command import change_script, query
from overweave.errors import EngineError
from overweave.fleet import Cancel
from overweave.lab.recipe import SUDO_PASSWORD
from overweave.lab.waiting import wait_for

pytestmark = pytest.mark.lab

SECONDS = 10
ELSEWHERE = "/run/elsewhere.sock"
CLI = "/usr/bin/docker"
STUB = "/usr/local/sbin/docker"
CLI_ELSEWHERE = f"""\
printf '#!/bin/sh\nexec {CLI} -H unix://{ELSEWHERE} system dial-stdio\n' > {STUB}
chmod 755 {STUB}
"""


@contextmanager
def changed(host, there, back):
    host.do(change_script(there))
    try:
        yield
    finally:
        host.do(change_script(back))


@pytest.fixture
def root(lab_hosts):
    """A host that nobody talks to the engine of."""
    host = lab_hosts[0][0]
    host.engine.hang_up()
    wait_for(lambda: not carriers(host), SECONDS, "an end to earlier connections")
    return host


@pytest.fixture
def no_perl(root):
    with changed(root, f"chmod a-x {PERL}", f"chmod 755 {PERL}"):
        yield


@pytest.fixture
def no_cli(root):
    with changed(root, f"mv {CLI} {CLI}.away", f"mv {CLI}.away {CLI}"):
        yield


@pytest.fixture
def nobody_there(root):
    with changed(root, f"mv {SOCKET} {ELSEWHERE}", f"mv {ELSEWHERE} {SOCKET}"):
        yield


@pytest.fixture
def cli_knows_better(nobody_there, root):
    """The relay finds no socket, and the docker CLI does."""
    with changed(root, CLI_ELSEWHERE, f"rm {STUB}"):
        yield


@contextmanager
def as_user(root, user):
    host = replace(root.host, access=replace(root.host.access, user=user))
    config = fabric.Config(
        overrides={
            "load_ssh_configs": False,
            "sudo": {"password": SUDO_PASSWORD if user == "pwops" else None},
        }
    )
    its = SshHost(host, config, cancel=Cancel(), engine_over=EngineApi)
    its.open()
    try:
        yield its
    finally:
        its.close()


def carriers(host):
    """The programs that carry connections to the engine."""
    (answer,) = host.ask(query("ps", "-eo", "comm=,args="))
    rows = [line.split(maxsplit=1) for line in answer.stdout.splitlines()]
    return {name for name, words in rows if words.endswith("dial-stdio") and name != "sudo"}


def works(host, image, archive):
    """What is large arrives, answers and refusals come, and calls go on over another connection."""
    engine = host.engine
    engine.load_image(image, archive, lambda done, size: None)
    assert engine.version()["Version"] == engine.info()["ServerVersion"]
    with pytest.raises(EngineError) as caught:
        engine.network("blue")
    assert (caught.value.status, caught.value.message) == (
        404,
        "looking at network blue: network blue not found",
    )
    engine.hang_up()
    assert engine.version()["ApiVersion"]


@pytest.mark.parametrize(
    ("lacking", "user", "carrier"),
    [
        ("", "root", "perl"),
        ("", "ops", "perl"),
        ("", "pwops", "perl"),
        ("no_cli", "root", "perl"),
        ("no_perl", "root", "docker"),
        ("no_perl", "pwops", "docker"),
        ("cli_knows_better", "pwops", "docker"),
    ],
)
def test_a_way_works_and_nothing_of_it_is_left(lab_hosts, root, request, lacking, user, carrier):
    if lacking:
        request.getfixturevalue(lacking)
    images = lab_hosts[1].images
    with as_user(root, user) as host:
        works(host, images.probe, images.archives[images.probe])
        assert carriers(root) == {carrier}
        host.engine.hang_up()
        wait_for(lambda: not carriers(root), SECONDS, "an end to what carried the connection")


@pytest.mark.parametrize(
    "lacking",
    [("nobody_there",), ("nobody_there", "no_perl"), ("nobody_there", "no_cli"), ("no_perl", "no_cli")],
    ids=["relay", "CLI", "relay alone", "no way"],
)
def test_an_engine_that_is_not_there_is_told_the_same_by_each_way(root, request, lacking):
    for name in lacking:
        request.getfixturevalue(name)
    with pytest.raises(EngineError) as caught:
        root.engine.version()
    assert str(caught.value) == (
        f"{root.host.name}: asking for the version: the engine does not answer\n"
        "  -> see `systemctl status docker` and `journalctl -u docker` on the host"
    )


@pytest.mark.parametrize("lacking", ["", "no_perl"], ids=["relay", "CLI"])
def test_a_context_of_the_user_is_not_honoured(root, request, lacking):
    if lacking:
        request.getfixturevalue(lacking)
    with changed(
        root,
        'mkdir -p /root/.docker && echo \'{"currentContext": "nowhere"}\' > /root/.docker/config.json\n'
        "mv /root/.bashrc /root/.bashrc.before; echo 'export DOCKER_HOST=tcp://192.0.2.1:1' > /root/.bashrc",
        "rm -r /root/.docker; mv /root/.bashrc.before /root/.bashrc",
    ):
        assert root.engine.version()["ApiVersion"]
