"""How changes are taken back, by real shells in a folder that stands for a host's disk."""

from __future__ import annotations

import stat
import subprocess

import pytest
from tests.contract.fakes import FakeHost

from overweave import undo
from overweave.command import change_script
from overweave.facts.record import Before
from overweave.model import Access, Archive, Host
from overweave.steps import (
    AwaitLeader,
    ProvideImage,
    RecordBefore,
    RemoveContainer,
    RestartEngine,
    RunContainer,
    StartContainer,
    WriteFile,
)
from overweave.undo import Note, note_of

HOSTILE = 'it\'s $(a) `b`\n"c" \\ ü'


@pytest.mark.parametrize(
    ("step", "note"),
    [
        (
            RecordBefore("h", "w", Before(frozenset(), frozenset(), False)),
            Note("file", "rm -f /var/lib/overweave/before.json\n"),
        ),
        (WriteFile("h", "w", "/a/b", "new"), Note("file", "rm -f /a/b /a/b.new\ntrue\n")),
        (
            WriteFile("h", "w", "/a/b", "new", new_folder=True),
            Note("file", "rm -f /a/b /a/b.new\nrmdir $(dirname /a/b) 2> /dev/null\ntrue\n"),
        ),
        (
            WriteFile("h", "w", "/a/b", "new", "old\n"),
            Note("file", "printf %s 'old\n' > /a/b.new && mv /a/b.new /a/b\n"),
        ),
        (RestartEngine("h", "w"), Note("restart", "")),
        (RestartEngine("h", "w", ("web", "db")), Note("restart", "docker start web db > /dev/null\n")),
        (
            ProvideImage("h", "w", "i:1", Archive("x")),
            Note(
                "engine",
                "! docker image inspect i:1 > /dev/null 2>&1 || docker rmi i:1 > /dev/null || exit\n",
            ),
        ),
        (
            RunContainer("h", "w", "c", {}, new_volumes=("v",)),
            Note(
                "engine",
                "! docker container inspect c > /dev/null 2>&1 || docker rm -fv c > /dev/null || exit\n"
                "! docker volume inspect v > /dev/null 2>&1 || docker volume rm v > /dev/null || exit\n",
            ),
        ),
        (RunContainer("h", "w", "c", {}, replace=True), None),
        (StartContainer("h", "w", "c"), Note("engine", "docker stop c > /dev/null\n")),
        (AwaitLeader("h", "w"), None),
        (RemoveContainer("h", "w", "c"), None),
    ],
)
def test_how_each_step_is_taken_back(step, note):
    assert note_of(step) == note


@pytest.fixture
def host(tmp_path):
    made = FakeHost(Host("h", Access("10.0.0.1")), tmp_path)
    for folder in ("/etc/systemd/system/multi-user.target.wants", "/var/lib"):
        made.path(folder).mkdir(parents=True)
    return made


def files(host):
    root = host.path("/")
    return {
        str(p.relative_to(root)): p.read_text() if p.is_file() else p.is_symlink()
        for p in root.rglob("*")
        if not p.is_dir()
    }


def note(host, step_or_note):
    found = step_or_note if isinstance(step_or_note, Note) else note_of(step_or_note)
    host.do(undo.write_down(found))


def test_files_go_back_in_the_order_they_came_and_nothing_of_the_notes_stays(host):
    path = host.path("/etc/x.conf")
    path.write_text(HOSTILE)
    before = files(host)
    for content, previous in (("one", HOSTILE), ("two", "one"), ("three", "two")):
        note(host, WriteFile("h", "w", str(path), content, previous))
        path.write_text(content)
    assert path.read_text() == "three"
    host.do(undo.take_back())
    assert files(host) == before
    assert not host.path("/var/lib/overweave").exists()


def test_what_was_settled_stays(host):
    path = host.path("/etc/x.conf")
    note(host, WriteFile("h", "w", str(path), "new"))
    path.write_text("new")
    host.do(undo.forget())
    assert files(host) == {"etc/x.conf": "new"}
    host.do(undo.forget())
    host.do(undo.take_back())
    assert files(host) == {"etc/x.conf": "new"}


def test_notes_are_for_root_only_and_there_before_the_unit_that_reads_them_at_boot(host):
    note(host, RestartEngine("h", "w"))
    notes = host.path(undo.NOTES)
    assert stat.S_IMODE(notes.stat().st_mode) == 0o700
    assert stat.S_IMODE(host.path(undo.UNIT).stat().st_mode) == 0o644
    assert host.path(undo.LINK).is_symlink()
    unit = host.path(undo.UNIT).read_text()
    assert f"ExecStart=/bin/sh {undo.NOTES}/take-back boot {undo.UNIT} {undo.LINK}\n" in unit
    assert f"ConditionPathExists={undo.NOTES}/take-back\n" in unit
    subprocess.run(["sh", "-n", notes / "take-back"], check=True)


def test_the_engine_is_restarted_only_where_that_was_tried(host):
    path = host.path("/etc/x.conf")
    note(host, WriteFile("h", "w", str(path), "new"))
    host.do(undo.take_back())
    log = host.root / "systemctl.log"
    assert not log.exists()
    note(host, RestartEngine("h", "w"))
    host.do(undo.take_back())
    assert [line for line in log.read_text().splitlines() if line.startswith("st")] == [
        "stop docker.service",
        "start docker.service",
    ]


def test_what_can_not_be_taken_back_is_kept_and_tried_again(host):
    note(host, Note("file", "test -e may-go\n"))
    with pytest.raises(Exception, match="exit code 1"):
        host.do(undo.take_back())
    assert host.path(undo.NOTES).exists()
    host.do(change_script(": > may-go"))
    host.do(undo.take_back())
    assert not host.path(undo.NOTES).exists()


def test_a_note_that_can_not_be_written_is_an_error_before_anything_changed(host):
    host.path("/var/lib/overweave").write_text("in the way")
    with pytest.raises(Exception, match="overweave"):
        note(host, RestartEngine("h", "w"))
    assert files(host) == {"var/lib/overweave": "in the way"}
