"""Building an image: at most once at a time, and a killed build is nothing."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from overweave.lab import image
from overweave.lab.spec import cache_root
from overweave.lab.waiting import wait_for

pytestmark = pytest.mark.lab


def builder():
    return subprocess.Popen(
        (sys.executable, "-c", "from overweave.lab import image; image.ensure('20.10-consul', print)"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def descendants(pid):
    """Ids of all processes below ``pid``."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    found = [int(child) for child in children.read_text().split()] if children.exists() else []
    return [*found, *(lower for child in found for lower in descendants(child))]


def waits_for_a_lock(pid):
    return any("->" in line and f" {pid} " in line for line in Path("/proc/locks").read_text().splitlines())


def test_a_killed_build_is_no_image_and_the_next_one_takes_over(tmp_path, monkeypatch):
    monkeypatch.setenv("OVERWEAVE_LAB_CACHE", str(tmp_path / "cache"))
    first = builder()
    second = None
    try:
        wait_for(lambda: any(cache_root().glob(".*.partial/rootfs")), 60, "a build under way")
        second = builder()
        wait_for(lambda: waits_for_a_lock(second.pid), 10, "the second build to wait")
        busy = descendants(first.pid)
        assert len(busy) > 1
        # Stopped, so that it can't be what ends the first one's programs.
        second.send_signal(signal.SIGSTOP)
        first.kill()
        first.wait()
        wait_for(
            lambda: not any(Path(f"/proc/{pid}/root/usr").exists() for pid in busy), 10, "the build's end"
        )
        second.send_signal(signal.SIGCONT)
        wait_for(lambda: bool(descendants(second.pid)), 10, "the second build to begin")
        assert len(list(cache_root().glob(".*.partial"))) == 1
        assert image.cached("20.10-consul") is None
    finally:
        for process in filter(None, (first, second)):
            process.kill()
            process.wait()
        shutil.rmtree(cache_root())
