"""What is asked of a host for `fab networks`: captured answers, answers that are none, and lies."""

from __future__ import annotations

import json
import os
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.networks.told import CAPTURED, Told, looked

from overweave.facts import networks
from overweave.facts.namespaces import HOST
from overweave.facts.networks import Plug, parse_inodes, parse_name_servers
from overweave.render import script


def test_the_captured_answers_of_a_host():
    seen = looked()
    assert seen.problems == ()
    assert [n.fact.name for n in seen.networks] == [
        "bridge",
        "docker_gwbridge",
        "host",
        "none",
        "overweave",
        "shop",
    ]
    gateway = seen.networks[1]
    assert [(p.name, p.address, p.mac) for p in gateway.plugs] == [
        ("gateway_46af1713ddd3", "172.18.0.3/16", "02:42:ac:12:00:03"),
        ("gateway_eb8893211aed", "172.18.0.2/16", "02:42:ac:12:00:02"),
    ]
    by_name = {c.name: c for c in seen.containers}
    assert list(by_name) == sorted(by_name)
    web, sidecar, old = by_name["web"], by_name["sidecar"], by_name["old"]
    assert {p.holder for p in gateway.plugs} == {web.id, by_name["overweave-anchor-overweave-host1"].id}
    assert (web.key, web.pid, web.shares) == ("46af1713ddd3", 1465, "")
    assert (sidecar.key, sidecar.pid, sidecar.shares) == (web.key, 1552, "web")
    assert seen.inodes[web.pid] == seen.inodes[sidecar.pid] == seen.namespaces[web.key].inode
    assert seen.inodes[by_name["bare"].pid] == seen.own.inode
    assert (old.running, old.pid, old.key, [e.id for e in old.endpoints]) == (False, 0, "", [""])
    assert seen.name_servers[web.resolv] == ("127.0.0.11",)
    assert seen.name_servers[by_name["lone"].resolv] == ("8.8.8.8", "8.8.4.4")
    assert by_name["bare"].resolv not in seen.name_servers


def test_the_endpoints_of_other_hosts_have_no_holder():
    (overlay,) = (n for n in looked().networks if n.fact.name == "overweave")
    held = {p.name: bool(p.holder) for p in overlay.plugs}
    assert held == {
        "overweave-anchor-overweave-host1": True,
        "overweave-anchor-overweave-host2": False,
        "overweave-anchor-overweave-host3": False,
        "web": True,
    }
    assert overlay.fact.options == {}, "the VNI is the kernel's to tell"


def test_it_is_one_round_trip_and_devices_are_asked_for_on_demand():
    told = Told()
    assert set(networks.look(told, devices=False).namespaces) == {"1-9df9a7e162"}
    assert told.trips == 1
    assert {HOST, "46af1713ddd3", "1-9df9a7e162"} < set(networks.look(told, devices=True).namespaces)
    assert told.trips == 2


STOPPED = "its engine does not run: `systemctl status docker` there says why"
AWAY = "did not tell its networks within 10 s: is its store away? `fab store-status` shows it"


@pytest.mark.parametrize(
    ("answers", "problems"),
    [
        ({"networks": (3, "", ""), "containers": (3, "", "")}, (STOPPED,)),
        ({"networks": (124, "", "")}, (f"its engine {AWAY}",)),
        (
            {"networks": (1, "", "Cannot connect to the Docker daemon\nat unix:///\x1b[31m")},
            ("its engine does not tell its networks: Cannot connect to the Docker daemon at unix:/// [31m",),
        ),
        ({"networks": (127, "", "")}, ("its engine does not tell its networks: exit code 127",)),
        (
            {"containers": "{}\nMARK\nMARK\n"},
            ("its engine's answer about its containers makes no sense: KeyError: 'Id'",),
        ),
        (
            {"networks": "{\n"},
            (
                "its engine's answer about its networks makes no sense: JSONDecodeError: Expecting property "
                "name enclosed in double quotes: line 1 column 2 (char 1)",
            ),
        ),
        (
            {"links": (127, "", "sh: 1: ip: not found\n")},
            ("its network namespaces could not be looked at: sh: 1: ip: not found",),
        ),
        (
            {"links": ""},
            ("its network namespaces could not be looked at: the host's own is not in the answer",),
        ),
    ],
)
def test_what_a_host_does_not_tell_is_a_value_with_its_reason(answers, problems):
    seen = looked(**answers)
    assert seen.problems == problems
    assert (seen.networks is None) == ("networks" in answers)
    assert (seen.containers is None) == ("containers" in answers)


def test_a_container_whose_owner_is_gone_has_what_it_tells_itself():
    lines = CAPTURED["host1"]["containers"].partition("MARK")[0].splitlines()
    alone = next(line for line in lines if '"/sidecar"' in line)
    seen = looked(containers=f"{alone}\nMARK\nMARK\n")
    (sidecar,) = seen.containers
    assert (sidecar.shares, sidecar.endpoints, sidecar.key) == ("", (), "")
    assert sidecar.mode.startswith("container:66fd4ca3b957")


def test_lines_that_are_no_inode_or_no_name_server_are_left_out():
    assert parse_inodes("4026532315 /proc/1060/ns/net\nx /proc/1/ns/net\n7 /proc/../x\n") == {
        1060: 4026532315
    }
    assert parse_name_servers("/a b/resolv.conf:nameserver  10.0.0.1 \nnameserver 1\n/x:nameserver\n") == {
        "/a b/resolv.conf": ("10.0.0.1",)
    }


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(["Id", "Name", "Containers", "IPAM", "NetworkSettings", "HostConfig", "Networks"])
            | st.text(),
            inner,
        )
    ),
)


@settings(max_examples=25)
@given(st.lists(anything, max_size=3), st.lists(anything, max_size=3), st.text(), st.text())
def test_any_answer_at_all_is_a_value(networks_told, containers_told, inodes, servers):
    parts = ["\n".join(map(json.dumps, containers_told)), inodes, servers]
    looked(
        networks="\n".join(map(json.dumps, networks_told)),
        containers="MARK\n".join(parts),
        overlays=servers,
        links=inodes,
    )


def test_a_plug_of_odd_words_is_one_line():
    raw = {"Id": "1", "Name": "n", "Containers": {"ep-1": {"Name": "a\x1b[2J\nb", "EndpointID": None}}}
    (seen,) = networks.parse_networks(json.dumps(raw))
    assert seen.plugs == (Plug("", "a [2J b", "", "", ""),)


@pytest.fixture
def stub(tmp_path):
    """Runs a script of ours with programs of the test's in front: (script, arguments, programs) -> result."""

    def run(name, *arguments, **programs):
        for program, text in programs.items():
            (tmp_path / program).write_text(f"#!/bin/sh\n{text}\n")
            (tmp_path / program).chmod(0o755)
        return subprocess.run(
            ["sh", "-c", script(name), "sh", *arguments],
            env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "HERE": str(tmp_path)},
            capture_output=True,
            text=True,
        )

    return run


SCRIPTS = [("look-at-networks.sh", ["10"]), ("look-at-containers.sh", ["MARK", "10"])]


@pytest.mark.parametrize(("name", "arguments"), SCRIPTS)
def test_a_stopped_engine_is_not_called_for_that_would_start_it(stub, tmp_path, name, arguments):
    ran = stub(name, *arguments, systemctl="exit 3", docker='touch "$HERE/called"')
    assert (ran.returncode, ran.stdout) == (3, "")
    assert not (tmp_path / "called").exists()


@pytest.mark.parametrize(("name", "arguments"), SCRIPTS)
def test_an_engine_that_does_not_answer_is_not_waited_for(stub, name, arguments):
    slow = [*arguments[:-1], "0.1"]
    assert stub(name, *slow, systemctl="exit 0", docker="exec sleep 60").returncode == 124
    half = 'case "$*" in *inspect*) exec sleep 60 ;; *) echo 1 ;; esac'
    assert stub(name, *slow, systemctl="exit 0", docker=half).returncode == 124


@pytest.mark.parametrize(("name", "arguments"), SCRIPTS)
def test_one_that_went_in_this_moment_takes_none_of_the_others_along(stub, name, arguments):
    docker = 'case "$*" in *inspect*) printf "0\\t/none\\t{}\\n"; exit 1 ;; *) echo 1; echo 2 ;; esac'
    ran = stub(name, *arguments, systemctl="exit 0", docker=docker)
    assert (ran.returncode, "{}" in ran.stdout) == (0, True)
    gone = 'case "$*" in *inspect*) echo "Error: no such object" >&2; exit 1 ;; *) echo 1 ;; esac'
    assert stub(name, *arguments, systemctl="exit 0", docker=gone).returncode == 1


def test_an_engine_without_containers_tells_all_three_parts(stub):
    ran = stub("look-at-containers.sh", "MARK", "10", systemctl="exit 0", docker="exit 0")
    assert (ran.returncode, ran.stdout) == (0, "MARK\nMARK\n")


def test_of_a_containers_resolv_conf_little_is_read(stub, tmp_path):
    paths = [tmp_path / name for name in ("good", "long", "odd", "many", "dir")]
    paths[0].write_text("search x\nnameserver 127.0.0.11\nnameserver fe80::1\n")
    paths[1].write_text("nameserver 10.0.0.1\n" + "x" * 20_000)
    paths[2].write_text("nameserver " + "1" * 5000 + "\nnameserver evil; x\n")
    paths[3].write_text("nameserver 10.0.0.1\n" * 100)
    paths[4].mkdir()
    told = "".join(f"1\\t{path}\\t{{}}\\n" for path in paths)
    docker = f'case "$*" in *inspect*) printf "{told}" ;; *) echo 1 ;; esac'
    ran = stub("look-at-containers.sh", "MARK", "10", systemctl="exit 0", docker=docker)
    found = parse_name_servers(ran.stdout.split("MARK\n")[2])
    assert found == {str(paths[0]): ("127.0.0.11", "fe80::1"), str(paths[3]): ("10.0.0.1",) * 3}
