"""What hosts kept of runs, read back: whole, merged, and safe whatever stands in the files."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.contract.fakes import FakeHost

from overweave import audit
from overweave.audit import FILE, FOLDER, KEPT, Audit, Run
from overweave.command import Result
from overweave.facts.audit_log import TAIL, AuditLog, Entry, look, merge, parse, queries
from overweave.fleet import Cancel
from overweave.model import Access, Host
from overweave.report import data, text
from overweave.report.text import SafeConsole

AT = datetime(2026, 11, 21, 15, 0, 0, 123000, tzinfo=UTC)


@pytest.fixture
def hosts(tmp_path):
    return {n: FakeHost(Host(n, Access("10.0.0.1")), tmp_path / n) for n in ("a", "b")}


def writer(hosts, run="r1", at=AT):
    of_run = Run(run, "ann@laptop", "", "0.1.0", "deploy-overlay")
    times = (at + timedelta(seconds=n) for n in range(10_000))
    return Audit(
        hosts, of_run, cancel=Cancel(), warn=lambda *what: pytest.fail(str(what)), now=times.__next__
    )


def file(host, ending=""):
    return host.path(f"{FOLDER}/{FILE}{ending}")


def answer(text):
    return Result(queries()[0], 0, text, "")


def told(entries, logs=None):
    out = io.StringIO()
    SafeConsole(file=out, width=1000).print(text.audit(entries, logs or {}))
    return out.getvalue().splitlines()


def test_what_was_written_is_read_back(hosts):
    log = writer(hosts)
    log.begin("a", "12ab", ["write /x", "restart the engine"])
    log.step("a", "write /x", audit.OK, 0.1)
    log.step("a", "restart the engine", audit.FAILED, 2.0, "no\nmore")
    log.end("a", audit.FAILED)
    found = look(hosts["a"])
    same = {"host": "a", "run": "r1", "task": "deploy-overlay", "who": "ann@laptop", "version": "0.1.0"}
    at = "2026-11-21 15:00:0"
    second = timedelta(seconds=1)
    assert found == AuditLog(
        (
            Entry(**same, time=AT, kind="begin", plan="12ab", steps=("write /x", "restart the engine")),
            Entry(**same, time=AT + second, kind="step", about="write /x", outcome="ok", seconds=0.1),
            Entry(
                **same,
                time=AT + 2 * second,
                kind="step",
                about="restart the engine",
                outcome="failed",
                seconds=2.0,
                error="no",
            ),
            Entry(**same, time=AT + 3 * second, kind="end", outcome="failed"),
        )
    )
    assert told(found.entries) == [
        f"{at}0.123Z  r1  a          deploy-overlay begins, by ann@laptop from an unknown address, "
        "overweave 0.1.0, plan 12ab: 2 steps",
        f"{at}1.123Z  r1  a          write /x: ok in 0.1 s",
        f"{at}2.123Z  r1  a          restart the engine: failed in 2.0 s: no",
        f"{at}3.123Z  r1  a          deploy-overlay ends: failed",
    ]


def test_rotated_files_come_first_and_one_run_can_be_asked_for(hosts):
    for n in range(3):
        log = writer(hosts, f"r{n}")
        log.begin("a", "", [])
        log.end("a", audit.OK)
        file(hosts["a"]).rename(file(hosts["a"], f".{3 - n}"))
    writer(hosts, "now").end("a", audit.OK)
    assert [e.run for e in look(hosts["a"]).entries] == ["r0", "r0", "r1", "r1", "r2", "r2", "now"]
    assert [(e.run, e.kind) for e in look(hosts["a"], "r1").entries] == [("r1", "begin"), ("r1", "end")]
    assert look(hosts["a"], "r") == AuditLog(())
    assert KEPT >= 3


def test_a_host_without_a_log_has_none(hosts):
    assert look(hosts["a"]) == AuditLog(())
    assert told([]) == ["nothing is noted on these hosts"]


def test_a_run_without_an_end_was_broken_off(hosts):
    log = writer(hosts)
    log.begin("a", "", [])
    log.end("a", audit.OK)
    log.begin("a", "", [])
    log.step("a", "x", audit.OK, 1)
    writer(hosts, "r2", AT + timedelta(hours=1)).begin("a", "", [])
    entries = look(hosts["a"]).entries
    assert [(e.run, e.time, e.kind) for e in entries if e.outcome == audit.BROKEN_OFF] == [
        ("r1", AT + timedelta(seconds=3), "end"),
        ("r2", AT + timedelta(hours=1), "end"),
    ]
    assert told(entries)[-1] == (
        "2026-11-21 16:00:00.123Z  r2  a          "
        "deploy-overlay: broken off: it has no end, unless it is still under way"
    )


def test_hosts_are_merged_by_time_and_keep_their_own_order(hosts):
    one, two = writer(hosts), writer(hosts, "r2", AT + timedelta(milliseconds=500))
    for log in (one, two):
        log.begin("a", "", [])
        log.begin("b", "", [])
        log.end("", audit.OK)
    entries = merge(look(host) for host in hosts.values())
    assert [e.time for e in entries] == sorted(e.time for e in entries)
    assert [e.kind for e in entries if e.host == "b" and e.run == "r2"] == ["begin", "end"]


def test_broken_lines_are_counted_and_named(hosts):
    writer(hosts).end("a", audit.OK)
    with file(hosts["a"]).open("a") as out:
        out.write('{"time": "20\n\x1b[31m\n[1]\n')
    writer(hosts).end("a", audit.OK)
    found = look(hosts["a"])
    assert len(found.entries) == 2
    assert found.broken == ('{"time": "20', "[31m", "[1]")
    assert told([], {"a": found})[1] == 'a: 3 lines can\'t be read: {"time": "20, [31m, [1]'


def test_only_the_end_of_a_large_log_is_read(hosts):
    writer(hosts).end("a", audit.OK)
    line = file(hosts["a"]).read_text()
    file(hosts["a"], ".1").write_text(line * (TAIL // len(line) + 2))
    found = look(hosts["a"])
    assert TAIL // len(line) - 1 <= len(found.entries) <= TAIL // len(line)
    assert (found.broken, found.cut) == ((), True)
    assert told([], {"a": found})[1] == "a: there are older lines on the host"


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELDS = [
    "time",
    "run",
    "kind",
    "task",
    "who",
    "from",
    "plan",
    "steps",
    "step",
    "outcome",
    "seconds",
    "error",
]
TIMES = st.sampled_from(
    ["2026-11-21T15:00:00.123Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-11-21", "x"]
)
LIKE_OURS = st.fixed_dictionaries(
    {"time": TIMES, "run": st.just("r") | JUNK, "kind": st.sampled_from(["begin", "step", "end"])},
    optional=dict.fromkeys(FIELDS[3:], JUNK),
).map(json.dumps)
LINES = LIKE_OURS | JUNK.map(json.dumps) | st.text(st.characters(codec=None)) | st.just("[" * 100_000)


@given(st.lists(LINES, max_size=5).map("\n".join))
def test_any_log_is_read_and_shown(content):
    found = parse("a", answer(content))
    entries = merge([found])
    for line in told(entries, {"a": found}):
        assert line.isprintable()
    json.dumps(data.audit(entries, {"a": found}), allow_nan=False)
