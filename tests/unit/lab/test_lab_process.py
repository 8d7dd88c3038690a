"""Processes and locks that outlive their maker, or end with it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from overweave.errors import DeadlineExceeded
from overweave.lab import process
from overweave.lab.locking import locked
from overweave.lab.waiting import wait_for


def started(tmp_path, *words):
    with locked(tmp_path / "lock", keep=True) as lock:
        process.start(tmp_path / "record", words, log=tmp_path / "log", lock=lock)
    # The lock was held until the record was written, so taking it again waits for that.
    with locked(tmp_path / "lock"):
        return process.living(tmp_path / "record")


def test_a_process_is_found_by_its_record_until_it_ends(tmp_path):
    pid = started(tmp_path, "sleep", "60")
    assert pid
    try:
        assert Path(f"/proc/{pid}/comm").read_text() in ("sh\n", "sleep\n")
        assert os.getsid(pid) != os.getsid(0)
    finally:
        process.kill(pid)
    wait_for(lambda: not process.living(tmp_path / "record"), 5, "its end")
    process.kill(pid)


def test_a_pid_that_was_used_again_is_not_the_process(tmp_path):
    own_start = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
    record = tmp_path / "record"
    record.write_text(f"{os.getpid()} {own_start}\n")
    assert process.living(record) == os.getpid()
    record.write_text(f"{os.getpid()} {int(own_start) - 1}\n")
    assert process.living(record) == 0
    assert process.living(tmp_path / "none") == 0


def test_a_dead_process_that_nobody_waited_for_is_dead(tmp_path):
    child = subprocess.Popen(("sleep", "60"))
    start = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[19]
    (tmp_path / "record").write_text(f"{child.pid} {start}\n")
    assert process.living(tmp_path / "record") == child.pid
    process.kill(child.pid)
    wait_for(lambda: not process.living(tmp_path / "record"), 5, "its end")
    child.wait()


def test_what_it_prints_is_kept(tmp_path):
    started(tmp_path, "sh", "-c", "echo out; echo err >&2")
    wait_for(lambda: (tmp_path / "log").read_text() == "out\nerr\n", 5, "its output")


def test_a_lock_keeps_others_out_and_leaves_no_file(tmp_path):
    order = []

    def second():
        with locked(tmp_path / "lock"):
            order.append("second")

    thread = threading.Thread(target=second)
    with locked(tmp_path / "lock"):
        thread.start()
        with pytest.raises(DeadlineExceeded):
            wait_for(lambda: bool(order), 0.2, "what must not happen")
        order.append("first")
    thread.join(5)
    assert order == ["first", "second"]
    assert list(tmp_path.iterdir()) == []


def test_a_lock_is_held_until_the_last_program_of_a_killed_run_has_ended(tmp_path):
    lock = tmp_path / "lock"
    code = (
        "from pathlib import Path\n"
        "from overweave.lab.locking import locked\n"
        "from overweave.lab.shell import run\n"
        f"with locked(Path('{lock}'), keep=True):\n"
        f"    run('sh', '-c', 'echo > {tmp_path}/begun; sleep 1; echo > {tmp_path}/done')\n"
    )
    killed = subprocess.Popen((sys.executable, "-c", code))
    wait_for((tmp_path / "begun").exists, 10, "its program")
    killed.kill()
    killed.wait()
    assert not (tmp_path / "done").exists()
    with locked(lock):
        assert (tmp_path / "done").exists()


def test_a_deadline_says_what_did_not_happen():
    with pytest.raises(DeadlineExceeded) as caught:
        wait_for(lambda: False, 0, "the sea to part", host="host1")
    assert str(caught.value) == (
        "host1: the sea to part: not within 0 s\n"
        "  -> is this machine busy? `fab lab.down` and `fab lab.up` make the lab anew"
    )
