"""How what a page says is compared with what hosts say."""

from __future__ import annotations

import re

import pytest
from tests.lab.pages import FOLDER, Step, Values, steps

PAGE = """\
Words, and $ no command.

```console
host1$ docker run -d busybox
0123456789ab
$ fab networks
one

two
```

```
$ not run
```
"""


def test_the_steps_of_a_page_are_those_of_its_console_blocks():
    assert steps(PAGE) == [
        Step("host1", "docker run -d busybox", ("0123456789ab",), 4),
        Step("", "fab networks", ("one", "", "two"), 6),
    ]


@pytest.mark.parametrize(
    ("told", "seen"),
    [
        (["a"], ["a"]),
        (["a  b "], ["a b"]),
        ([], []),
        (["…"], []),
        (["…", "c"], ["a", "b", "c"]),
        (["a", "…"], ["a", "b"]),
        (["…", "b", "…", "d", "…"], ["a", "b", "c", "d"]),
        (["…", "b", "c"], ["b", "b", "c"]),
        (["172.18.0.2 and 172.18.0.3, 172.18.0.2"], ["172.20.0.2 and 172.20.0.7, 172.20.0.2"]),
        (["02:42:ac:12:00:02"], ["02:42:ac:12:00:07"]),
        (["f" * 64, "br-" + "f" * 12], ["e" * 64, "br-" + "e" * 12]),
        (
            ["veth1@if5 eth0@if6 <-> veth0000001@if7 (pid 12)"],
            ["veth1@if9 eth0@if8 <-> vethfffffff@if1 (pid 3)"],
        ),
        (["12: eth0  0.1 ms"], ["4: eth0  7.25 ms"]),
        (["round-trip min/avg/max = 0.1/0.1/0.1 ms"], ["round-trip min/avg/max = 1.2/1.2/1.2 ms"]),
        (["namespace 1-9df9a7e162"], ["namespace 1-d6czv4btf9"]),
    ],
)
def test_what_agrees(told, seen):
    assert Values({}).agree(told, seen)


@pytest.mark.parametrize(
    ("told", "seen"),
    [
        (["a"], ["b"]),
        (["a"], []),
        ([], ["a"]),
        (["a"], ["a", "b"]),
        (["…", "c"], ["a", "c", "b"]),
        (["a", "…", "a"], ["a"]),
        (["…", "d", "…"], ["a"]),
        (["172.18.0.2 and 172.18.0.2"], ["172.18.0.2 and 172.18.0.3"]),
        (["172.18.0.2 and 172.18.0.3"], ["172.18.0.2 and 172.18.0.2"]),
        (["172.18.0.2"], ["none"]),
        (["127.0.0.11"], ["127.0.0.1"]),
        (["ttl=64"], ["ttl=63"]),
        (["f" * 64, "f" * 12], ["e" * 64, "d" * 12]),
        (["1 packets received"], ["0 packets received"]),
    ],
)
def test_what_does_not_agree(told, seen):
    assert not Values({}).agree(told, seen)


def test_a_value_is_what_it_was_at_first_also_in_commands_and_one_that_did_not_agree_is_forgotten():
    values = Values({"10.96.0.11": "10.98.20.11"})
    assert not values.agree(["172.18.0.2", "a"], ["172.19.0.2", "b"])
    assert values.here("ping 172.18.0.2") == "ping 172.18.0.2"
    assert values.agree(["172.18.0.2 of 10.96.0.11"], ["172.19.0.2 of 10.98.20.11"])
    assert values.here("ping 172.18.0.2 10.96.0.11 172.18.0.25") == "ping 172.19.0.2 10.98.20.11 172.18.0.25"
    assert values.there("172.19.0.2 10.98.20.11") == "172.18.0.2 10.96.0.11"
    assert not values.agree(["172.18.0.2"], ["172.18.0.2"])


def test_every_page_is_run_by_a_test_and_listed():
    pages = {path.stem for path in FOLDER.glob("*.md")} - {"README"}
    run = "".join(path.read_text() for path in (FOLDER.parents[1] / "tests/lab").glob("test_*.py"))
    assert {page for page in pages if f'"{page}"' in run} == pages
    assert set(re.findall(r"\((\S+)\.md\)", (FOLDER / "README.md").read_text())) == pages
    assert all(steps((FOLDER / f"{page}.md").read_text()) for page in pages)
