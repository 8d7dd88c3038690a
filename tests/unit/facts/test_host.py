"""All facts of a host in one round trip, and errors that say which host."""

from __future__ import annotations

from pathlib import Path

import pytest

from overweave.errors import CommandFailed, ConnectionProblem, OverweaveError
from overweave.facts.host import look
from overweave.facts.record import Before
from overweave.model import Access, Host

from .answers import answers
from .test_engine import CAPTURED, Told
from .test_unit import DOCKER_CE, SHOWN

FOLDER = Path(__file__).parent / "captured"
TOLD = {
    "-p LoadState": SHOWN,
    "systemctl cat": DOCKER_CE,
    "uname -n": "box\nabc\n",
    "ip -json -4 address": (FOLDER / "address.json").read_text(),
    "ip -json -4 route": (FOLDER / "route.json").read_text(),
    "dockerd --version": "",
    "libkv/store": "",
    "sh /etc/docker/daemon.json": '{"debug": true}',
    "/var/lib/overweave/before.json": Before(frozenset({"bridge"}), frozenset(), True).text(),
    "test -d": (0, ""),
}


class Asked:
    """A reader that gives the answers it was given, once."""

    def __init__(self, told, engine=CAPTURED):
        self.host = Host("web1", Access("10.96.0.11"))
        self.reached_at = "10.96.0.11"
        self.engine = Told(engine)
        self.round_trips = 0
        self._told = told

    def ask(self, *queries):
        self.round_trips += 1
        if isinstance(self._told, Exception):
            raise self._told
        return tuple(answers(queries, self._told))


def test_all_facts_come_in_one_round_trip():
    reader = Asked(TOLD)
    facts = look(reader)
    assert reader.round_trips == 1
    assert (facts.name, facts.reached_at, facts.identity.hostname) == ("web1", "10.96.0.11", "box")
    assert (facts.unit.main_pid, facts.unit.exec_start.split()[0]) == (921, "/usr/bin/dockerd")
    assert facts.interfaces.holding("10.96.0.11").name == "eth0"
    assert (facts.engine.version, facts.engine.speaks_consul) == ("20.10.5+dfsg1", False)
    assert facts.daemon_json.settings == {"debug": True}
    assert facts.before == Before(frozenset({"bridge"}), frozenset(), True)
    assert facts.drop_in_folder is True


def test_a_bare_host_without_docker():
    told = TOLD | {
        "systemctl cat": (1, ""),
        "dockerd --version": (127, ""),
        "sh /etc/docker/daemon.json": "",
        "/var/lib/overweave/before.json": "",
        "test -d": (1, ""),
    }
    facts = look(Asked(told, engine=None))
    assert facts.unit.why == "systemd has no unit docker.service"
    assert facts.engine.why == "Docker is not installed: there is no dockerd"
    assert (facts.before, facts.drop_in_folder, facts.daemon_json.settings) == (None, False, {})


@pytest.mark.parametrize(
    ("piece", "answer", "reason"),
    [
        ("ip -json -4 address", "{", "JSONDecodeError: Expecting property name enclosed in double quotes: "
         "line 1 column 2 (char 1)"),
        ("ip -json -4 address", '[{"ifname": "x"}]', "KeyError: 'mtu'"),
        ("-p LoadState", SHOWN.replace("921", "x"), "ValueError: invalid literal for int() with base 10: "
         "'x'"),
        ("ip -json -4 route", "[" * 100_000, "ValueError: JSON without an end to its depth"),
    ],
    ids=["no JSON", "no MTU", "no number", "no end to its depth"],
)  # fmt: skip
def test_what_makes_no_sense_is_an_error_of_the_host(piece, answer, reason):
    with pytest.raises(OverweaveError) as caught:
        look(Asked(TOLD | {piece: answer}))
    assert str(caught.value) == (
        f"web1: the host answered something that makes no sense: {reason}\n"
        "  -> please report this with the output of `ip -json address` and `docker info`"
    )


def test_errors_of_the_tree_get_the_host():
    with pytest.raises(
        CommandFailed, match=r"^web1: `ip -json -4 route show` ended with exit code 1 and said "
    ):
        look(Asked(TOLD | {"ip -json -4 route": (1, "")}))


def test_a_host_that_can_not_be_asked_is_no_absent_docker():
    with pytest.raises(ConnectionProblem):
        look(Asked(ConnectionProblem("gone", host="web1")))
