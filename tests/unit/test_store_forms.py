"""What is done with a store on a host, in either form: real shells, with stubs of docker and systemd."""

from __future__ import annotations

import shutil

import pytest
from tests.contract.fakes import FakeClock, FakeHost, FakeStore

from overweave.apply.perform import perform
from overweave.apply.store_forms import refuse_dying
from overweave.apply.world import World
from overweave.errors import OverweaveError
from overweave.facts.store_service import UNIT, UNIT_FILE
from overweave.fleet import Cancel
from overweave.model import Access, Host
from overweave.steps import ForgetQuorum, MoveStore, RecoverQuorum, RemoveService, RunService, StartService
from overweave.stores.consul import DATA

DOCKER = """\
#!/bin/sh
shift 2
echo "docker $*" >> "$ROOT/log"
case "$1 $2" in
"volume inspect") [ ! -e "$ROOT/volume" ] || echo "$ROOT/volume" ;;
"volume create") mkdir -p "$ROOT/volume" ;;
"logs --tail") echo "from docker" ;;
esac
"""
SYSTEMCTL = """\
#!/bin/sh
case "$*" in
"show -p NRestarts --value overweave-consul.service") cat "$ROOT/starts"; exit ;;
"daemon-reload"|"reset-failed overweave-consul.service"|*" overweave-consul.service") ;;
*) exit 9 ;;
esac
echo "$*" >> "$ROOT/log"
[ ! -e "$ROOT/wont-start" ] || [ "$1" != restart ]
"""
JOURNALCTL = """\
#!/bin/sh
printf 'first\\noverweave-consul.service: Scheduled restart job\\n==> no such key\\n'
"""
CONSUL = """\
#!/bin/sh
[ "$1" = validate ] || exit 9
[ ! -e "$ROOT/invalid" ] || { echo "invalid config key no_such"; exit 1; }
"""
RUN = RunService("h", "why", UNIT, UNIT_FILE, "[Unit]\nnew\n", "", False, DATA)


class Place:
    def __init__(self, folder):
        self.host = FakeHost(Host("h", Access("10.0.0.1")), folder)
        programs = folder / "bin"
        for name, text in {
            "docker": DOCKER,
            "systemctl": SYSTEMCTL,
            "journalctl": JOURNALCTL,
            "consul": CONSUL,
            # Only root may.
            "chown": "#!/bin/sh\n",
        }.items():
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
        (programs / "cp").symlink_to(shutil.which("cp"))
        (folder / "starts").write_text("0\n")
        self.unit, self.data, self.volume = (
            self.host.path(UNIT_FILE),
            self.host.path(DATA),
            folder / "volume",
        )
        self.unit.parent.mkdir(parents=True)
        self.host.engine.container = lambda name: {"RestartCount": 0}

    def do(self, step):
        world = World({"h": self.host}, FakeStore(), FakeClock(), Cancel(), lambda host, text: None)
        perform(step, world)

    @property
    def log(self):
        file = self.host.root / "log"
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def fill(folder):
    (folder / "raft").mkdir(parents=True)
    (folder / "raft/raft.db").write_text("all of it")
    (folder / "node-id").write_text("id")


def test_a_service_is_written_enabled_and_started(place):
    place.do(RUN)
    assert place.unit.read_text() == "[Unit]\nnew\n"
    assert place.log == ["daemon-reload", f"--quiet enable {UNIT}", f"reset-failed {UNIT}", f"restart {UNIT}"]
    place.do(StartService("h", "why", UNIT))
    assert place.log[-1] == f"start {UNIT}"


def test_settings_that_consul_does_not_take_stop_nothing(place):
    (place.host.root / "invalid").touch()
    with pytest.raises(OverweaveError) as caught:
        place.do(RUN)
    assert str(caught.value) == (
        "h: the store does not start:\n    invalid config key no_such\n"
        "  -> correct `store: options:`; `journalctl -u overweave-consul.service` on the host tells more"
    )
    assert place.log == []
    assert not place.unit.exists()


def test_one_that_systemd_can_not_start_tells_what_its_journal_has(place):
    (place.host.root / "wont-start").touch()
    with pytest.raises(OverweaveError, match="the store does not start:\n    first\n"):
        place.do(RUN)


def test_it_goes_with_its_data_and_once_more_is_no_error(place):
    place.do(RUN)
    fill(place.data)
    for _ in range(2):
        place.do(RemoveService("h", "why", UNIT, UNIT_FILE, DATA))
        assert not place.unit.exists()
        assert not place.data.exists()
    assert f"stop {UNIT}" in place.log


def test_data_are_copied_to_a_service_and_stay_where_they_were(place):
    fill(place.volume)
    (place.data / "old").mkdir(parents=True)
    place.do(MoveStore("h", "why", "service"))
    assert sorted(str(p.relative_to(place.data)) for p in place.data.rglob("*")) == [
        "node-id",
        "raft",
        "raft/raft.db",
    ]
    assert place.data.stat().st_mode & 0o777 == 0o700
    assert (place.volume / "raft/raft.db").read_text() == "all of it"


def test_data_are_copied_to_a_container_and_stay_where_they_were(place):
    fill(place.data)
    place.volume.mkdir()
    (place.volume / "old").touch()
    place.do(MoveStore("h", "why", "container"))
    assert sorted(p.name for p in place.volume.iterdir()) == ["node-id", "raft"]
    assert (place.data / "raft/raft.db").exists()
    assert place.log[:2] == [f"--quiet disable {UNIT}", f"stop {UNIT}"]


@pytest.mark.parametrize("to", ["service", "container"])
def test_nothing_is_touched_where_there_is_no_volume(place, to):
    """Nor anything else on the host."""
    (place.host.root / "bin/docker").write_text("#!/bin/sh\n")
    fill(place.data)
    with pytest.raises(OverweaveError):
        place.do(MoveStore("h", "why", to))
    assert (place.data / "raft/raft.db").exists()


def test_a_quorum_is_forgotten_and_recovered_in_its_own_folder(place):
    fill(place.data)
    place.do(RecoverQuorum("h", "why", "id", "10.0.0.1:8300", "service"))
    assert '"address": "10.0.0.1:8300"' in (place.data / "raft/peers.json").read_text()
    assert place.log == [f"stop {UNIT}", f"start {UNIT}"]
    place.do(ForgetQuorum("h", "why", "service"))
    assert [p.name for p in place.data.iterdir()] == ["node-id"]
    assert place.log[-1] == f"stop {UNIT}"


def test_one_that_dies_again_and_again_is_told_with_what_it_said(place):
    place.unit.write_text("[Unit]\n")
    refuse_dying(place.host)
    (place.host.root / "starts").write_text("3\n")
    with pytest.raises(OverweaveError) as caught:
        refuse_dying(place.host)
    assert str(caught.value) == (
        "h: its agent does not stay up:\n    first\n    ==> no such key\n"
        "  -> mend what it says: `store: options:` and `store: image:` of the inventory, or its program"
    )
