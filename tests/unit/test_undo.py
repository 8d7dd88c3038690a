"""How changes are taken back, by real shells in a folder that stands for a host's disk."""

from __future__ import annotations

import stat
import subprocess

import pytest
from tests.contract.fakes import FakeHost

from overweave import undo
from overweave.command import Secret, change_script
from overweave.facts.record import Before
from overweave.model import Access, Archive, Host
from overweave.steps import (
    AwaitLeader,
    ConnectContainer,
    CreateNetwork,
    InstallUnit,
    MoveStore,
    ProvideImage,
    RecordBefore,
    RemoveContainer,
    RestartEngine,
    RunContainer,
    RunService,
    StartContainer,
    StartService,
    WriteFile,
    WriteSecret,
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
        (
            CreateNetwork("h", "w", "lan", {}),
            Note(
                "engine",
                "! docker network inspect lan > /dev/null 2>&1 || "
                "docker network rm lan > /dev/null || exit\n",
            ),
        ),
        (
            ConnectContainer("h", "w", "app", "lan"),
            Note("engine", "docker network disconnect -f lan app > /dev/null 2>&1\ntrue\n"),
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
        (
            InstallUnit("h", "w", "u.service", {"/a/b": "new", "/c": "u"}, {}, "/a"),
            Note(
                "file",
                "systemctl --quiet disable u.service 2> /dev/null\n"
                "systemctl --no-block --quiet stop u.service 2> /dev/null\n"
                "rm -f /a/b /a/b.new /c /c.new /var/lib/systemd/timers/stamp-u.service\n"
                "rmdir /a 2> /dev/null\ntrue\n",
            ),
        ),
        (
            InstallUnit("h", "w", "u.service", {"/a/b": "new"}, {"/a/b": "old\n"}, "/a"),
            Note("file", "printf %s 'old\n' > /a/b\ntrue\n"),
        ),
        (
            RunService("h", "w", "u.service", "/a/u", "new", new_data="/d"),
            Note(
                "service",
                "systemctl --quiet disable u.service 2> /dev/null\n"
                "timeout 60 systemctl stop u.service 2> /dev/null\n"
                "rm -rf /a/u /a/u.new /d\n"
                "systemctl daemon-reload\n"
                "systemctl reset-failed u.service 2> /dev/null\ntrue\n",
            ),
        ),
        (
            RunService("h", "w", "u.service", "/a/u", "new", "old\n", replace=True),
            Note(
                "service",
                "printf %s 'old\n' > /a/u.new && mv /a/u.new /a/u && systemctl daemon-reload || exit\n"
                "systemctl --quiet enable u.service\n"
                "systemctl reset-failed u.service 2> /dev/null\n"
                "# At a boot its engine waits for it, and it for this.\n"
                "systemctl --no-block restart u.service\n",
            ),
        ),
        (
            StartService("h", "w", "u.service"),
            Note("service", "systemctl --no-block stop u.service\n"),
        ),
        (
            MoveStore("h", "w", "service"),
            Note(
                "engine",
                "rm -rf /var/lib/overweave/consul\n"
                "docker container inspect consul.before > /dev/null 2>&1 || exit 0\n"
                "docker rm -fv consul > /dev/null 2>&1\n"
                "docker rename consul.before consul && docker update --restart always consul > /dev/null "
                "|| exit\n"
                "docker start consul > /dev/null\n",
            ),
        ),
        (
            MoveStore("h", "w", "container"),
            Note(
                "engine",
                "! docker volume inspect overweave-consul > /dev/null 2>&1 || "
                "docker volume rm overweave-consul > /dev/null || exit\n"
                "systemctl --quiet enable overweave-consul.service && "
                "systemctl --no-block start overweave-consul.service\n",
            ),
        ),
        (
            WriteSecret("h", "w", "/a/b", Secret("s"), new_folder=True),
            Note("file", "rm -f /a/b /a/b.new\nrmdir $(dirname /a/b) 2> /dev/null\ntrue\n"),
        ),
        (WriteSecret("h", "w", "/a/b", Secret("s")), Note("file", "rm -f /a/b /a/b.new\ntrue\n")),
        (
            WriteSecret("h", "w", "/a/b", Secret("s"), there=True),
            Note("file", "[ ! -e /a/b.before ] || mv /a/b.before /a/b\n"),
        ),
        (RestartEngine("h", "w"), Note("restart", "")),
        (RestartEngine("h", "w", same=True), Note("engine", "true\n")),
        (
            RestartEngine("h", "w", ("w", "db")),
            Note(
                "restart",
                "! docker container inspect w > /dev/null 2>&1 || docker start w > /dev/null || failed=1\n"
                "! docker container inspect db > /dev/null 2>&1 || docker start db > /dev/null || failed=1\n"
                "exit ${failed:-0}\n",
            ),
        ),
        (ProvideImage("h", "w", "i:1", Archive("x")), Note("engine", undo._REMOVE_IMAGE.format("i:1"))),
        (
            RunContainer("h", "w", "c", {}, new_volumes=("v",)),
            Note(
                "engine",
                "! docker container inspect c > /dev/null 2>&1 || docker rm -fv c > /dev/null || exit\n"
                "! docker volume inspect v > /dev/null 2>&1 || docker volume rm v > /dev/null || exit\n",
            ),
        ),
        (
            RunContainer("h", "w", "c", {}, replace=True),
            Note(
                "engine",
                "docker container inspect c.before > /dev/null 2>&1 || exit 0\n"
                "docker rm -fv c > /dev/null 2>&1\n"
                "docker rename c.before c && docker update --restart always c > /dev/null || exit\n"
                "docker start c > /dev/null\n",
            ),
        ),
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
    assert log.read_text() == "daemon-reload\n", "systemd may have read the unit with the file"
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


def test_what_was_taken_back_is_not_taken_back_again(host):
    note(host, Note("file", "test -e may-go\n"))
    note(host, Note("file", "echo once >> said\n"))
    for _ in range(2):
        with pytest.raises(Exception, match="exit code 1"):
            host.do(undo.take_back())
    # A note that is made meanwhile comes behind those that are left.
    note(host, Note("file", "echo twice >> said; : > may-go\n"))
    host.do(undo.take_back())
    assert (host.root / "said").read_text() == "once\ntwice\n"
    assert not host.path(undo.NOTES).exists()


def test_an_engine_that_does_not_answer_keeps_what_needs_it(host):
    note(host, Note("engine", "echo done >> said\n"))
    (host.root / "wont-start").touch()
    with pytest.raises(Exception, match="exit code 1"):
        host.do(undo.take_back())
    assert not (host.root / "said").exists()
    (host.root / "wont-start").unlink()
    host.do(undo.take_back())
    assert (host.root / "said").read_text() == "done\n"


def test_what_was_set_aside_goes_when_all_is_settled(host):
    note(host, Note("settle", "echo removed >> said\n"))
    host.do(undo.forget())
    assert (host.root / "said").read_text() == "removed\n"
    note(host, Note("settle", "echo removed >> said\n"))
    host.do(undo.take_back())
    assert (host.root / "said").read_text() == "removed\n"
    assert not host.path(undo.NOTES).exists()


def test_what_a_store_ran_in_goes_when_its_move_is_settled():
    def settled(step):
        _, note = undo.set_aside(step)
        assert note.kind == "settle"
        return [line.partition(" || ")[2].partition(" > ")[0] for line in note.text.splitlines()]

    assert settled(MoveStore("h", "w", "service", "consul:1")) == [
        "docker rm -fv consul.before",
        "docker volume rm overweave-consul",
        "docker rmi consul:1",
    ]
    assert len(settled(MoveStore("h", "w", "service"))) == 2, "an image that was there before stays"
    _, note = undo.set_aside(MoveStore("h", "w", "container"))
    assert "rm -rf /etc/systemd/system/overweave-consul.service /var/lib/overweave/consul\n" in note.text


def test_an_earlier_secret_is_set_aside_beside_itself_and_is_in_no_note(host, tmp_path):
    path = tmp_path / "secret"
    path.write_text("old")
    step = WriteSecret("h", "w", str(path), Secret("new"), there=True)
    put_away, settle = undo.set_aside(step)
    assert settle == Note("settle", f"rm -f {path}.before\n")
    for _ in range(2):
        # A second time, as after an interruption: what is there by then is not the earlier one.
        assert subprocess.run(put_away.words, check=False).returncode == 0
        path.write_text("new")
    assert (tmp_path / "secret.before").read_text() == "old"
    assert subprocess.run(["sh", "-c", note_of(step).text], check=False).returncode == 0
    assert (path.read_text(), (tmp_path / "secret.before").exists()) == ("old", False)


def test_notes_that_lost_their_script_get_it_again(host):
    note(host, Note("file", "echo first >> said\n"))
    (host.path(undo.NOTES) / "take-back").write_text("")
    note(host, Note("file", "echo second >> said\n"))
    host.do(undo.take_back())
    assert (host.root / "said").read_text() == "second\nfirst\n"


def test_a_note_that_can_not_be_written_is_an_error_before_anything_changed(host):
    host.path("/var/lib/overweave").write_text("in the way")
    with pytest.raises(Exception, match="overweave"):
        note(host, RestartEngine("h", "w"))
    assert files(host) == {"var/lib/overweave": "in the way"}
