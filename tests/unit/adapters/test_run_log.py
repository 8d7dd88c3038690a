"""The story of a run in a file: whole, safe to read, and never in the way."""

from __future__ import annotations

import os
import stat
import threading

import pytest

from overweave.adapters.run_log import KEPT, OUTPUT_LIMIT, RunLog, folder
from overweave.ports import Record


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "overweave" / "runs"


def refuse(text):
    raise AssertionError(text)


def open_log(task="deploy-overlay", head="head", warn=refuse):
    return RunLog(task, head, warn)


def mode(path):
    return oct(stat.S_IMODE(path.stat().st_mode))


def body(log):
    """Its lines after the head, without the times."""
    return [
        line[12:] if line[:1] == " " and " s  " in line[:12] else line
        for line in log.path.read_text().split("\n")[1:-1]
    ]


def test_it_has_a_folder_and_a_file_for_its_owner_alone(place):
    umask = os.umask(0)
    try:
        log = open_log()
    finally:
        os.umask(umask)
    assert (mode(place), mode(log.path), log.path.parent) == ("0o700", "0o600", place)
    assert log.path.name.endswith(f"Z-deploy-overlay-{os.getpid()}.log")


def test_a_folder_that_was_open_is_closed(place):
    place.mkdir(parents=True, mode=0o755)
    open_log()
    assert mode(place) == "0o700"


def test_everything_stands_in_it_at_once(place):
    log = open_log(head="overweave 1 x")
    log.note("", "looking")
    log(Record("host1", "$ ls -l", 0.01234, "exit code 2", "a\nb\n"))
    log(Record("host2", "engine: listing networks", 0, "status 500: \x1b[31mno\x07"))
    log.note("host1", "warning: no")
    assert log.path.read_text().startswith("overweave 1 x\n")
    assert body(log) == [
        "-  # looking",
        "host1  $ ls -l",
        "  = exit code 2, 0.012 s",
        "  | a",
        "  | b",
        "host2  engine: listing networks",
        "  = status 500: \\x1b[31mno\\x07",
        "host1  # warning: no",
    ]


def test_what_hosts_say_moves_no_cursor_and_begins_no_line_of_ours(place):
    log = open_log()
    log(Record("h", "$ x", 0, "exit code 0", "a\x1b[2J\r\n   0.000 s  h  forged\x9b\udcff"))
    assert body(log)[-2:] == ["  | a\\x1b[2J\\r", "  |    0.000 s  h  forged\\x9b\\udcff"]


def test_long_output_is_cut_and_counted(place):
    log = open_log()
    log(Record("h", "$ x", 0, "exit code 0", "y" * OUTPUT_LIMIT + "ü" * 10))
    assert body(log)[-2:] == [f"  | {'y' * OUTPUT_LIMIT}", "  | … 20 bytes more"]
    assert log.path.stat().st_size < OUTPUT_LIMIT + 1000


def test_the_newest_files_stay_and_files_of_others_too(place):
    place.mkdir(parents=True)
    others = ["notes.txt", "z.log", ".hidden"]
    for name in [*others, *(f"20200101T0000{n:02}.000Z-status-{n}.log" for n in range(KEPT + 9))]:
        (place / name).touch()
    log = open_log()
    found = sorted(path.name for path in place.iterdir())
    assert len(found) == KEPT + len(others)
    assert set(others) | {log.path.name} <= set(found)
    assert f"20200101T0000{9:02}.000Z-status-9.log" not in found
    assert f"20200101T0000{10:02}.000Z-status-10.log" in found


def test_a_folder_that_can_not_be_made_is_one_warning(place):
    place.parent.parent.write_text("a file")
    warned = []
    log = open_log(warn=warned.append)
    log.note("", "x")
    log(Record("h", "$ x", 0, "exit code 0"))
    log.close()
    (text,) = warned
    assert text.startswith("warning: no log of this run can be written: ")
    assert log.path is None


def test_a_disk_that_gets_full_is_one_warning(place):
    warned = []
    log = open_log(warn=warned.append)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, log._file)
    os.close(full)
    log.note("", "x")
    log.note("", "y")
    assert warned == ["warning: no log of this run can be written: [Errno 28] No space left on device"]


def test_a_closed_log_takes_no_more_and_says_nothing(place):
    log = open_log()
    log.close()
    log.note("", "x")
    log.close()
    assert body(log) == []


def test_a_task_names_no_other_folder(place):
    log = open_log(task="../../x y/;rm")
    assert log.path.parent == place
    assert "/" not in log.path.name
    assert " " not in log.path.name


def test_threads_do_not_tear_each_others_lines(place):
    log = open_log()

    def write(name):
        for _ in range(100):
            log(Record(name, "$ x", 0, "exit code 0", name * 50))

    threads = [threading.Thread(target=write, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = body(log)
    assert len(found) == 900
    for first, second, third in zip(found[::3], found[1::3], found[2::3], strict=True):
        name = first[0]
        assert (first, second, third) == (f"{name}  $ x", "  = exit code 0", f"  | {name * 50}")


@pytest.mark.parametrize("given", ["", "relative/path"])
def test_without_a_folder_of_its_own_it_is_under_home(monkeypatch, given):
    monkeypatch.setenv("XDG_STATE_HOME", given)
    monkeypatch.setenv("HOME", "/home/ann")
    assert str(folder()) == "/home/ann/.local/state/overweave/runs"
