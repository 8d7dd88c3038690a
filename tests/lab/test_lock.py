"""Two runs at once on the same hosts: one works, the other is told or waits; a dead one keeps nobody out."""

from __future__ import annotations

import re
import signal
import time
from contextlib import contextmanager

import pytest
from tests.lab.bed import GREEN, NET, NOTHING_TO_DO

pytestmark = pytest.mark.lab

HELD = (
    rf"overweave: host1 in use: {{}} by \S+@\S+ from {re.escape(NET)}\.1 "
    r"since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d UTC\n"
    r"  -> --wait-lock SECONDS waits for it; the lock ends with that run, also if its machine dies"
)


def read_until(process, line):
    """The lines of stderr up to one with ``line``."""
    seen = []
    for text in process.stderr:
        seen.append(text)
        if line in text:
            return seen
    raise AssertionError(f"it never said '{line}': {''.join(seen)}")


@contextmanager
def under_way(bed, line, *words):
    """A run that has said ``line``, and goes on."""
    with bed.start(*words, inventory=bed.inventory) as process:
        try:
            read_until(process, line)
            yield process
        finally:
            process.kill()


def test_a_second_run_is_told_who_has_the_hosts_and_waits_if_it_shall(clean):
    with under_way(clean, "host1     restart the engine", "deploy-overlay", "--yes") as first:
        for words in (("deploy-overlay", "--yes"), ("destroy-overlay", "--yes"), ("validate-overlay",)):
            ran = clean.fab(*words)
            assert ran.status == 4, ran
            assert re.fullmatch(HELD.format("deploy-overlay"), ran.said), ran.said
        second = clean.start("deploy-overlay", "--yes", "--wait-lock", "100", inventory=clean.inventory)
        with second:
            out, err = first.communicate()
            assert first.returncode == 0, err
            assert GREEN in out
            out, err = second.communicate(timeout=140)
    assert second.returncode == 0, err
    assert re.search(r"waiting for the lock: host1 in use: deploy-overlay by ", err)
    assert out == NOTHING_TO_DO


def test_waiting_ends_when_its_time_is_over(deployed):
    with under_way(deployed, "looking at all hosts", "consul-ui"):
        # Looking at things needs no lock.
        deployed.fab("status").ok()
    with under_way(deployed, "proof: 6 directed pairs", "validate-overlay") as first:
        first.send_signal(signal.SIGSTOP)
        ran = deployed.fab("validate-overlay", "--wait-lock", "1")
        first.send_signal(signal.SIGCONT)
        first.communicate()
    assert ran.status == 4, ran
    assert re.fullmatch(HELD.format("validate-overlay"), ran.said), ran.said


def test_two_that_start_together_never_work_both(deployed):
    before = deployed.state()
    for _ in range(3):
        runs = [deployed.start("validate-overlay", inventory=deployed.inventory) for _ in range(4)]
        ended = [(*run.communicate(), run.returncode) for run in runs]
        assert sorted(status for *_, status in ended)[1:] == [4, 4, 4], ended
        assert min(status for *_, status in ended) in (0, 4)
    assert deployed.state() == before


@pytest.mark.parametrize(
    ("line", "words"),
    [
        pytest.param("proof: 6 directed pairs", ("validate-overlay",), id="a proof", marks=pytest.mark.long),
        pytest.param("host1     run container consul", ("deploy-overlay", "--yes"), id="a deployment"),
    ],
)
def test_a_run_that_was_killed_keeps_nobody_out(clean, line, words):
    if words[0] == "validate-overlay":
        clean.deploy().ok()
    with under_way(clean, line, *words) as first:
        # It must not come to its end before the other looks.
        first.send_signal(signal.SIGSTOP)
        second = clean.start("deploy-overlay", "--yes", "--wait-lock", "60", inventory=clean.inventory)
        with second:
            read_until(second, "waiting for the lock")
            first.kill()
            killed = time.monotonic()
            read_until(second, "looking at all hosts")
            waited = time.monotonic() - killed
            out, err = second.communicate(timeout=140)
    assert second.returncode == 0, err
    assert GREEN in out or out == NOTHING_TO_DO
    assert waited < 5
