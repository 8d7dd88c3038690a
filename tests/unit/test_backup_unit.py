"""The timer that backs the store up: its plan, and its program with a Docker of files."""

from __future__ import annotations

import gzip
import os
import subprocess
from dataclasses import replace

import pytest
from tests.golden.site import Site, inventory_of

from overweave import backup_unit
from overweave.facts.backup_unit import FOLDER, SCRIPT, SERVICE_FILE, UNIT, UNIT_FILE, BackupUnit
from overweave.facts.backups import parse_name
from overweave.model import Schedule, Store
from overweave.render import script
from overweave.steps import InstallUnit, RemoveUnit
from overweave.store_host import settle

WANTED = backup_unit.files(Store())
NAME = "20261122T052555Z-index121-consul1.8.7.snap"


def fleet(**backup):
    wanted = inventory_of(3)
    site = Site(wanted | {"store": wanted["store"] | {"servers": 1, "backup": backup}})
    return settle(site.fleet, site.facts().hosts)


def test_the_units_say_when_where_and_how_many():
    files = backup_unit.files(Store(port=8501, backup=Schedule("6h", 14, "/srv/b")))
    assert f"\nExecStart=/bin/sh {SCRIPT} /srv/b 14 8501\n" in files[SERVICE_FILE]
    service = backup_unit.files(Store(run_as="service"))[SERVICE_FILE]
    assert f"\nExecStart=/bin/sh {SCRIPT} /var/backups/overweave 7 8500 service\n" in service
    for line in ("OnCalendar=0/6:00", "RandomizedDelaySec=1080", "Persistent=true"):
        assert f"\n{line}\n" in files[UNIT_FILE]


@pytest.mark.parametrize(
    ("every", "calendar", "period", "delay"),
    [
        ("daily", "daily", 86400, 1800),
        ("hourly", "hourly", 3600, 180),
        ("15m", "*:0/15", 900, 45),
        ("12h", "0/12:00", 43200, 1800),
        ("Mon..Fri 03:00", "Mon..Fri 03:00", None, 60),
    ],
)
def test_how_often(every, calendar, period, delay):
    its = Schedule(every)
    assert (its.calendar, its.period) == (calendar, period)
    assert f"\nRandomizedDelaySec={delay}\n" in backup_unit.files(Store(backup=its))[UNIT_FILE]


@pytest.mark.parametrize(
    ("its", "why"),
    [
        (BackupUnit(), backup_unit.WHY),
        (BackupUnit(WANTED | {SCRIPT: "older"}, runs=True), "it is not as it should be"),
        (BackupUnit(WANTED), "it is disabled"),
    ],
)
def test_it_is_installed_on_a_server_where_it_is_not_as_it_should_be(its, why):
    assert backup_unit.wanted(fleet(), "host1", its) == [
        InstallUnit("host1", why, UNIT, WANTED, its.files, FOLDER)
    ]


def test_nothing_is_done_where_it_is_there_and_elsewhere():
    assert backup_unit.wanted(fleet(), "host1", BackupUnit(WANTED, runs=True)) == []
    assert backup_unit.wanted(fleet(), "host2", BackupUnit()) == []
    assert backup_unit.wanted(fleet(every="never"), "host1", BackupUnit()) == []


@pytest.mark.parametrize(
    ("host", "backup", "why"),
    [
        ("host1", {"every": "never"}, "it is switched off"),
        ("host2", {}, "the host has no server of the store"),
    ],
)
def test_it_goes_where_it_is_not_wanted_and_its_backups_stay(host, backup, why):
    there = BackupUnit(WANTED, runs=True)
    remove = RemoveUnit(host, why, UNIT, tuple(WANTED), FOLDER)
    assert backup_unit.wanted(fleet(**backup), host, there) == [remove]
    full = replace(there, folder="/b", newest=parse_name(NAME))
    stays = replace(remove, why=f"{why}; its backups stay in /b")
    assert backup_unit.wanted(fleet(**backup), host, full) == [stays]


DOCKER = """\
#!/bin/sh
echo "$@" >> "$SITE/calls"
while [ "$1" != consul ]; do shift; done
case "$3 $4" in
"snapshot save") [ ! -e "$SITE/error" ] || { cat "$SITE/error"; exit 1; } ;;
"snapshot inspect") printf 'ID     2-9-17\\nIndex  %s\\nTerm   2\\n' "$(cat "$SITE/index")" ;;
"version ") echo "Consul v1.8.7+dfsg1" ;;
esac
case "$2" in
cat) cat "$SITE/snapshot" ;;
esac
"""


REMOVED = "exec consul rm -f /tmp/overweave-backup.snap /tmp/overweave-backup.snap.unverified\n"


class Machine:
    """A host with a Docker whose container `consul` makes snapshots at a raft index."""

    def __init__(self, folder):
        self.folder = folder
        self.kept = folder / "kept"
        (folder / "bin").mkdir()
        (folder / "bin/docker").write_text(DOCKER)
        (folder / "bin/docker").chmod(0o755)
        (folder / "snapshot").write_bytes(gzip.compress(b"snapshot"))

    def put(self, *names):
        self.kept.mkdir(exist_ok=True)
        for name in names:
            (self.kept / name).touch()

    def run(self, index=121, keep=3, *form):
        (self.folder / "index").write_text(str(index))
        (self.folder / "script.sh").write_text(script("save-store.sh"))
        environment = {
            "PATH": f"{self.folder}/bin:{os.environ['PATH']}",
            "SITE": str(self.folder),
            "OVERWEAVE_PATIENCE": "0",
        }
        words = ("sh", self.folder / "script.sh", self.kept, str(keep), "8501", *form)
        ran = subprocess.run(words, capture_output=True, text=True, timeout=30, env=environment)
        assert ran.stderr == ""
        return ran.returncode, ran.stdout

    def names(self):
        return sorted(path.name for path in self.kept.iterdir())


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_a_backup_is_named_by_what_is_in_it_and_for_root_alone(machine):
    status, said = machine.run()
    (name,) = machine.names()
    its = parse_name(name)
    assert (status, its.index, its.consul) == (0, 121, "1.8.7")
    size = (machine.kept / name).stat().st_size
    assert said == f"saved {machine.kept}/{name}: {size} bytes; removed 0 older\n"
    assert (machine.kept.stat().st_mode & 0o777, (machine.kept / name).stat().st_mode & 0o777) == (
        0o700,
        0o600,
    )
    assert gzip.decompress((machine.kept / name).read_bytes()) == b"snapshot"
    calls = (machine.folder / "calls").read_text()
    assert (
        "exec -e CONSUL_HTTP_ADDR=127.0.0.1:8501 consul consul snapshot save /tmp/overweave-backup.snap"
        in calls
    )
    assert calls.endswith(REMOVED)


CONSUL = """\
#!/bin/sh
echo "$CONSUL_HTTP_ADDR $*" >> "$SITE/calls"
case "$1 $2" in
"snapshot save") cat "$SITE/snapshot" > "$3" ;;
"snapshot inspect") printf 'ID     2-9-17\\nIndex  %s\\nTerm   2\\n' "$(cat "$SITE/index")" ;;
"version ") echo "Consul v1.8.7+dfsg1" ;;
esac
"""


def test_a_service_makes_its_own_and_needs_no_engine(machine):
    (machine.folder / "bin/docker").unlink()
    (machine.folder / "bin/consul").write_text(CONSUL)
    (machine.folder / "bin/consul").chmod(0o755)
    status, _ = machine.run(121, 3, "service")
    (name,) = machine.names()
    assert (status, parse_name(name).index, parse_name(name).consul) == (0, 121, "1.8.7")
    assert gzip.decompress((machine.kept / name).read_bytes()) == b"snapshot"
    assert (machine.kept / name).stat().st_mode & 0o777 == 0o600
    calls = (machine.folder / "calls").read_text()
    assert f"127.0.0.1:8501 snapshot save {machine.kept}/.save\n" in calls


def named(day, index):
    return f"202001{day:02}T000000Z-index{index}-consul1.8.7.snap"


def test_the_oldest_go_and_nothing_else_does(machine):
    machine.put(*(named(day, day) for day in (1, 2, 3, 4)), "notes.txt", f"x{named(1, 1)}")
    assert machine.run(keep=3)[1].endswith("; removed 2 older\n")
    left = machine.names()
    assert [its for its in left if parse_name(its) and its.startswith("2020")] == [named(3, 3), named(4, 4)]
    assert {"notes.txt", f"x{named(1, 1)}"} <= set(left)


def test_backups_of_a_store_that_has_lost_its_data_push_none_of_those_before_out(machine):
    before = [named(day, 1000 + day) for day in (1, 2, 3, 4)]
    machine.put(*before, named(5, 7), named(6, 8))
    machine.run(index=9, keep=2)
    left = machine.names()
    assert left[:3] == [before[2], before[3], named(6, 8)]
    assert len(left) == 4


def test_a_clock_that_was_set_back_does_not_remove_what_was_just_saved(machine):
    machine.put(*(f"209901{day:02}T000000Z-index{day}-consul1.8.7.snap" for day in (1, 2, 3)))
    assert machine.run(keep=2)[0] == 0
    assert [name for name in machine.names() if name < "2099"] != []


def test_a_store_that_gives_none_is_told_and_costs_no_backup(machine):
    machine.put(*(named(day, day) for day in (1, 2, 3, 4)))
    (machine.folder / "error").write_text(
        "Error saving snapshot: Unexpected\n\tresponse code: 500 (No leader)\n"
    )
    assert machine.run(keep=1) == (
        1,
        "no backup: Error saving snapshot: Unexpected response code: 500 (No leader)\n",
    )
    assert len(machine.names()) == 4
    assert (machine.folder / "calls").read_text().endswith(REMOVED)


def test_what_arrives_damaged_is_not_kept(machine):
    (machine.folder / "snapshot").write_bytes(gzip.compress(b"snapshot" * 99)[:-9])
    status, said = machine.run()
    assert status == 1
    assert said.startswith(f"no backup: it can't be kept in {machine.kept}: gzip: ")
    assert machine.names() == []
