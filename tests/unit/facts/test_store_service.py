"""What a host tells of the service that its part of the store may run in."""

from __future__ import annotations

import pytest

from overweave.command import Result
from overweave.facts.store_service import QUERIES, VERSION, StoreService, parse, version

RUNS = """\
/usr/bin/consul
data=yes
UnitFileState=enabled
ActiveState=active
OVERWEAVE_SPEC=0123456789abcdef
exe=/usr/bin/consul

[Unit]
a

b
"""


def told(text):
    return parse([Result(QUERIES[0], 0, text, "")])


def test_a_service_that_runs():
    unit = "[Unit]\na\n\nb\n"
    assert told(RUNS) == StoreService("/usr/bin/consul", unit, True, True, "0123456789abcdef", True, False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", StoreService()),
        ("\n", StoreService()),
        ("/usr/bin/consul\n", StoreService("/usr/bin/consul")),
        ("/usr/bin/../x y\n", StoreService()),
        ("\ndata=yes\nUnitFileState=\nActiveState=inactive\nexe=\n\n", StoreService(data=True)),
        (
            "/usr/bin/consul\nActiveState=activating\nUnitFileState=disabled\nexe=\n\n[Unit]\n",
            StoreService("/usr/bin/consul", "[Unit]\n"),
        ),
    ],
)
def test_what_else_may_be_there(text, expected):
    assert told(text) == expected


def test_a_program_that_was_replaced_since_is_another_one():
    assert told(RUNS.replace("exe=/usr/bin/consul", "exe=/usr/bin/consul (deleted)")).replaced


class Host:
    def __init__(self, output):
        self.output = output

    def ask(self, *queries):
        assert queries == (VERSION,)
        return (Result(VERSION, 0, self.output, ""),)


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("Consul v1.8.7+dfsg1\n", "1.8.7"),
        ("Consul v1.21.0-beta1", "1.21.0"),
        ("sh: 1: consul: not found\n", ""),
        ("Consul v\n", ""),
        ("", ""),
    ],
)
def test_the_version_of_the_program(output, expected):
    assert version(Host(output)) == expected
