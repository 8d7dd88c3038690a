"""The log on the hosts: whole lines, bounded, for root only, and never in the way."""

from __future__ import annotations

import json
import stat
import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.contract.fakes import FakeHost

from overweave import audit
from overweave.audit import FOLDER, KEPT, LINE_LIMIT, ROTATE_AT, Audit, Run, Silent, line
from overweave.errors import Interrupted
from overweave.fleet import Cancel
from overweave.model import Access, Host

RUN = Run("20261121T150000Z-ab12", "ann@laptop", "root-ann", "0.1.0", "deploy-overlay")
AT = datetime(2026, 11, 21, 15, 0, 0, 123456, tzinfo=UTC)
TEXT = st.text(st.characters(codec=None))


class Place:
    def __init__(self, folder):
        self.hosts = {
            name: FakeHost(Host(name, Access(f"10.0.0.{i}")), folder / name) for i, name in enumerate("ab", 1)
        }
        self.warned = []
        self.time = AT

    def audit(self, **more):
        def now():
            self.time += timedelta(milliseconds=1)
            return self.time

        return Audit(
            self.hosts,
            RUN,
            cancel=Cancel(),
            warn=lambda host, what: self.warned.append((host, what)),
            **{"now": now} | more,
        )

    def file(self, host, ending=""):
        return self.hosts[host].path(f"{FOLDER}/{audit.FILE}{ending}")

    def entries(self, host, ending=""):
        return [json.loads(text) for text in self.file(host, ending).read_text().splitlines()]


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def mode(path):
    return oct(stat.S_IMODE(path.stat().st_mode))


def test_a_run_is_a_begin_its_steps_and_an_end(place):
    log = place.audit()
    log.begin("a", "sha256:12", ["write /x", "restart the engine"])
    log.step("a", "write /x", audit.OK, 0.01234)
    log.step("a", "restart the engine", audit.FAILED, 2, "it does not start\n    the journal\n")
    log.end("a", audit.FAILED)
    of_run = {
        "run": RUN.id,
        "from": "",
        "who": "ann@laptop",
        "sudo_user": "root-ann",
        "version": "0.1.0",
        "task": "deploy-overlay",
    }
    found = place.entries("a")
    assert [e.pop("time") for e in found] == [f"2026-11-21T15:00:00.{n}Z" for n in (124, 125, 126, 127)]
    assert found == [
        of_run | {"kind": "begin", "plan": "sha256:12", "steps": ["write /x", "restart the engine"]},
        of_run | {"kind": "step", "step": "write /x", "outcome": "ok", "seconds": 0.012},
        of_run
        | {
            "kind": "step",
            "step": "restart the engine",
            "outcome": "failed",
            "seconds": 2,
            "error": "it does not start",
        },
        of_run | {"kind": "end", "outcome": "failed"},
    ]
    assert not place.file("b").exists()
    assert place.warned == []


def test_only_root_can_read_it(place):
    folder = place.file("a").parent
    folder.mkdir(parents=True, mode=0o755)
    (folder / audit.FILE).touch(mode=0o644)
    place.audit().begin("a", "", [])
    assert (mode(folder), mode(place.file("a"))) == ("0o700", "0o600")
    place.audit().begin("b", "", [])
    assert (mode(place.file("b").parent), mode(place.file("b"))) == ("0o700", "0o600")


def test_a_step_of_the_whole_fleet_stands_on_every_host(place):
    place.audit().step("", "make the gossip whole", audit.OK, 1)
    assert [place.entries(host)[0]["step"] for host in "ab"] == ["make the gossip whole"] * 2


def test_words_of_a_step_are_neither_shell_nor_format_nor_the_marker(place):
    hostile = "%s %n \\n $(id) `id` ' \" @FROM@ ünï | ; &"
    place.audit().step("a", hostile, audit.OK, 0)
    assert place.entries("a")[0]["step"] == hostile


def test_it_grows_and_is_rotated_without_losing_a_line(place):
    log = place.audit()
    log.end("a", "first")
    for n in range(KEPT + 2):
        with place.file("a").open("a") as file:
            file.write(("x" * 999 + "\n") * (ROTATE_AT // 1000 + 1))
        log.end("a", str(n))
    names = sorted(path.name for path in place.file("a").parent.iterdir())
    assert names == [audit.FILE, *(f"{audit.FILE}.{n}" for n in range(1, KEPT + 1))]
    assert [e["outcome"] for e in place.entries("a")] == [str(KEPT + 1)]
    for n in range(1, KEPT + 1):
        text = place.file("a", f".{n}").read_text()
        assert json.loads(text.splitlines()[0])["outcome"] == str(KEPT + 1 - n)
        assert mode(place.file("a", f".{n}")) == "0o600"


def test_two_writers_lose_no_line_also_while_it_is_rotated(place):
    place.audit().end("a", "first")
    with place.file("a").open("a") as file:
        file.write("x" * (ROTATE_AT - 2000) + "\n")

    def write(name):
        log = place.audit()
        for n in range(12):
            log.step("a", f"{name}{n}" + "y" * 300, audit.OK, 0)

    # Of the work under the lock, stat is the first and tail the last.
    order = place.hosts["a"].root / "order"
    for program in ("stat", "tail"):
        stub = place.hosts["a"].root / "bin" / program
        real = stub.readlink()
        stub.unlink()
        stub.write_text(f'#!/bin/sh\necho {program} >> "$ROOT/order"\nexec {real} "$@"\n')
        stub.chmod(0o755)
    threads = [threading.Thread(target=write, args=(name,)) for name in "pqr"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen = [
        json.loads(text)["step"].rstrip("y")
        for ending in (".1", "")
        for text in place.file("a", ending).read_text().splitlines()
        if '"step":' in text
    ]
    assert sorted(seen) == sorted(f"{name}{n}" for name in "pqr" for n in range(12))
    assert not place.file("a", ".2").exists()
    assert place.warned == []
    alone = order.read_text().replace("stat\ntail\n", "").split()
    assert alone == ["stat"], "only the one that rotates asks for no tail"


def test_half_a_line_of_a_full_disk_does_not_spoil_the_next(place):
    place.audit().end("a", audit.OK)
    with place.file("a").open("a") as file:
        file.write('{"time": "20')
    place.audit().end("a", audit.OK)
    *_, half, whole = place.file("a").read_text().splitlines()
    assert half == '{"time": "20'
    assert json.loads(whole)["kind"] == "end"


def test_a_log_that_can_not_be_written_is_one_warning_a_host(place):
    place.file("a").parent.parent.mkdir(parents=True)
    place.file("a").parent.write_text("a file where the folder should be")
    log = place.audit()
    log.begin("a", "", [])
    log.begin("b", "", [])
    log.step("a", "x", audit.OK, 0)
    log.step("", "y", audit.OK, 0)
    ((host, text),) = place.warned
    assert host == "a"
    assert text.startswith("warning: /var/log/overweave/audit.jsonl can't be written: ")
    assert "File exists" in text or "Not a directory" in text
    assert [e["kind"] for e in place.entries("b")] == ["begin", "step"]


def test_a_connection_that_is_gone_hides_no_other_error(place):
    place.hosts["a"].gone = True
    place.audit().end("a", audit.FAILED)
    assert place.warned == [
        ("a", "warning: /var/log/overweave/audit.jsonl can't be written: the ssh connection is gone")
    ]


def test_an_interruption_goes_through(place):
    class Cancelled:
        def do(self, change):
            raise Interrupted("interrupted")

    place.hosts["a"] = Cancelled()
    log = place.audit()
    with pytest.raises(Interrupted):
        log.end("a", audit.OK)
    with pytest.raises(Interrupted):
        log.end("", audit.OK)


def test_the_silent_one_says_nothing_anywhere():
    log = Silent()
    log.begin("a", "", ["x"])
    log.step("", "x", audit.OK, 1)
    log.end("a", audit.OK)


@given(
    st.builds(Run, *[TEXT] * 5),
    st.dictionaries(
        st.sampled_from(["step", "error", "outcome"]), TEXT | st.integers(1, 40).map("ü\x00".__mul__)
    ),
    st.lists(TEXT, max_size=50) | st.integers(0, 3000).map(lambda n: ["step \U0001f600" * (n % 97)] * n),
)
def test_a_line_is_one_line_of_json_and_bounded_whatever_is_in_it(run, texts, steps):
    text = line(AT, run, "begin", texts | {"steps": steps})
    assert len(text) < LINE_LIMIT - 100
    assert text.isascii()
    assert text.isprintable()
    assert text.index(audit.FROM) == text.index('"from": "') + len('"from": "')
    read = json.loads(text)
    assert read["kind"] == "begin"
    assert len(read["steps"]) <= len(steps)


def test_what_does_not_fit_is_counted():
    read = json.loads(line(AT, RUN, "begin", {"steps": [f"step {n}" for n in range(1000)]}))
    assert read["steps"][0] == "step 0"
    assert read["steps"][-1] == f"… and {1001 - len(read['steps'])} more"


def test_time_is_utc():
    local = AT.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert json.loads(line(local, RUN, "end", {}))["time"] == "2026-11-21T15:00:00.123Z"
