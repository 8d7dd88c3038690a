"""The test bed of the lab tests: three hosts, the real commands, and what is on the hosts.

Tests run `fab` of this environment as a user does, in a process of its own, and look at the hosts
past ssh: through the lab, and through the engines' own sockets.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import docker.errors
import requests
import yaml
from tests.lab.preloaded import Preloaded

from overweave.credentials import OPERATOR
from overweave.errors import DeadlineExceeded
from overweave.lab import Lab, LabHost, faults
from overweave.lab.waiting import wait_for


def _lock(name: str) -> int:
    folder = Path(f"/run/lock/overweave-tests-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    return os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _slot() -> int:
    """The first number that no other process on this machine has, until this process ends."""
    for number in range(50):
        lock = _lock(f"slot-{number}")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
        else:
            return number
    raise RuntimeError("50 runs of the tests hold a bed on this machine")


SLOT = _slot()
"""Each process has a bed of its own: workers of pytest-xdist, and two runs of the tests at one time."""
LAB = f"x{SLOT}"
NET = f"10.98.{20 + SLOT}"
"""What the addresses of the bed's hosts begin with."""
CHECKOUT = Path(__file__).parents[2]
FAB = Path(sys.executable).with_name("fab")
OVERWEAVE = Path(sys.executable).with_name("overweave")
DOWN = (docker.errors.DockerException, requests.RequestException)
"""What a call of an engine ends with that does not run, or goes down under it."""
SECONDS = 150
"""The longest that one command may take, on a busy machine."""


@contextmanager
def in_turn(name: str) -> Iterator[None]:
    """Wait until no other run of the tests is in here: for labs whose names and addresses are fixed."""
    lock = _lock(name)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def fresh(name: str, hosts: int, subnet: str, engines: Sequence[str] = ()) -> Lab:
    """A new lab. What a killed run left of one of this name is removed: the slot says nobody uses it."""
    for lab in Lab.all():
        if lab.name == name:
            lab.down()
    return Lab.up(name, hosts=hosts, subnet=subnet, engines=engines)


DROP_IN = "/etc/systemd/system/docker.service.d/90-overweave.conf"
STORY = "the whole story: "
PROBE_LABEL = "io.overweave.probe"
NOTHING_TO_DO = "nothing to do: everything is as wanted, and proven since the engines last started\n"
GREEN = "6 of 6 directed pairs green on overweave"

FILES = """\
cd / && find etc/systemd/system etc/docker etc/default etc/overweave var/lib/overweave run/systemd/system \
    -printf '%p %y %m %l\\n' -type f -exec md5sum {} + 2>/dev/null | sort
"""
CUT = "-- 8< --\n"
STATE = f"""\
{FILES}
echo '{CUT.strip()}'
pid=$(systemctl show -p MainPID --value docker.service)
echo "$pid"
tr '\\0' ' ' < /proc/$pid/cmdline
echo
ip -o link show | sed -n 's/^[0-9]*: \\([^:@]*\\).*/\\1/p' | grep -v '^veth' | sort | tr '\\n' ' '
echo
echo '{CUT.strip()}'
systemctl cat docker.service
"""


CURL = f'curl -sf -H "X-Consul-Token: $(cat {OPERATOR})"'
"""With the token that opens all of the store, on a host with a server."""


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """stderr without the lines of progress, and without the log's path: what went wrong."""
        return "".join(
            line
            for line in self.err.splitlines(keepends=True)
            if not _is_progress(line) and not line.startswith(STORY)
        ).rstrip("\n")

    @property
    def story(self) -> Path | None:
        """The log that the last line of stderr names."""
        *_, last = self.err.splitlines() or [""]
        return Path(last.removeprefix(STORY)) if last.startswith(STORY) else None

    def ok(self) -> Ran:
        assert self.status == 0, f"{self}\n{self._last_of_story()}"
        return self

    def _last_of_story(self) -> str:
        story = self.story
        return story.read_text()[-6000:] if story is not None and story.exists() else ""


def _is_progress(line: str) -> bool:
    number, _, rest = line.lstrip().partition(" ")
    return rest.startswith("s  ") and number.replace(".", "", 1).isdigit()


@dataclass(frozen=True)
class HostState:
    """What is on a host. ``as_made`` stays as it is over a restart of the engine, ``alive`` does not."""

    as_made: dict[str, Any]
    alive: dict[str, Any]


@dataclass
class Bed:
    """Three hosts, and a folder with an inventory of them and a home of its own.

    ``loaded``: clean hosts have the images that a deployment needs. To upload them takes a third of what a
    deployment on clean hosts takes (7 of 20 s of processor time, three hosts).
    """

    lab: Lab
    folder: Path
    pristine: dict[str, HostState] = field(default_factory=dict)
    loaded: bool = False
    deployed: dict[str, HostState] | None = None
    undo: list[Callable[[], object]] = field(default_factory=list)

    @property
    def inventory(self) -> Path:
        return self.folder / "inventory.yml"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def overweave(self) -> Path:
        """The console script, which needs no checkout."""
        return OVERWEAVE

    def machine(self, *words: str) -> str:
        """Run a program on this machine, which must succeed."""
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout

    @property
    def hosts(self) -> tuple[LabHost, ...]:
        return self.lab.hosts

    def wanted(self) -> dict[str, Any]:
        """The inventory, to change it and to write it with `write`."""
        found = yaml.safe_load(self.inventory.read_text())
        assert isinstance(found, dict)
        return found

    def write(self, name: str, inventory: Mapping[str, Any]) -> Path:
        path = self.folder / name
        path.write_text(yaml.safe_dump(dict(inventory), sort_keys=False))
        return path

    def write_inventory(self, **store: Any) -> None:
        """Let the store of the inventory have other settings, from here on."""
        wanted = self.wanted()
        self.write(self.inventory.name, wanted | {"store": wanted["store"] | store})

    def start(
        self,
        *words: str,
        inventory: Path | None = None,
        program: Path = FAB,
        cwd: Path = CHECKOUT,
        environment: Mapping[str, str] | None = None,
        **more: Any,
    ) -> subprocess.Popen[str]:
        """Start a command. ``inventory`` is told by the environment; None for none.

        With something special about its start, such as words ``before`` it, it has an interpreter of its own.
        """
        variables = {key: os.environ[key] for key in ("PATH", "LANG", "TERM") if key in os.environ}
        variables |= {"HOME": str(self.home), **(environment or {})}
        if inventory is not None:
            variables["OVERWEAVE_INVENTORY"] = str(inventory)
        streams = dict.fromkeys(("stdout", "stderr"), subprocess.PIPE) | {"stdin": subprocess.DEVNULL}
        usual = program == FAB and cwd == CHECKOUT and not more
        return (Preloaded if usual else subprocess.Popen)(
            (*more.pop("before", ()), str(program), *words),
            cwd=cwd,
            env=variables,
            text=True,
            **(streams | more),
        )

    def run(self, *words: str, **more: Any) -> Ran:
        """Run a command to its end, whatever that is. No command may ever end with a traceback."""
        with self.start(*words, **more) as process:
            try:
                out, err = process.communicate(timeout=SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                raise AssertionError(f"{words} did not end: {process.communicate()}") from None
        assert "Traceback" not in err, err
        return Ran(process.returncode, out, err)

    def fab(self, *words: str, **more: Any) -> Ran:
        """`fab` in the checkout, on the hosts of the inventory."""
        return self.run(*words, **{"inventory": self.inventory} | more)

    def prove(self, wanted: str, seconds: float = 60) -> None:
        """Until a proof says ``wanted``; if none does, the last one tells why."""
        last: list[Ran] = []

        def proven() -> bool:
            last[:] = [self.fab("validate-overlay")]
            return wanted in last[0].out

        with suppress(DeadlineExceeded):
            wait_for(proven, seconds, "a proof")
        assert wanted in last[0].ok().out

    def deploy(self, *words: str, **more: Any) -> Ran:
        return self.fab("deploy-overlay", "--yes", *words, **more)

    def broken_off(self, line: str, number: signal.Signals, *words: str) -> Ran:
        """Start a command, and send it a signal as soon as it has printed a line with ``line``."""
        process = self.start(*words, inventory=self.inventory)
        watchdog = threading.Timer(SECONDS, process.kill)
        watchdog.start()
        seen = []
        assert process.stderr is not None
        assert process.stdout is not None
        try:
            for text in process.stderr:
                seen.append(text)
                if line in text:
                    process.send_signal(number)
                    break
            else:
                raise AssertionError(f"it never said '{line}':\n{''.join(seen)}")
            seen.append(process.stderr.read())
            out = process.stdout.read()
            return Ran(process.wait(), out, "".join(seen))
        finally:
            watchdog.cancel()
            process.kill()
            process.wait()
            process.stderr.close()
            process.stdout.close()

    def at(self, name: str) -> docker.APIClient:
        """The engine of a host, through its own socket."""
        return docker.APIClient(f"unix:///proc/{self.lab.host(name).pid}/root/run/docker.sock", timeout=60)

    def do(self, name: str, script: str) -> str:
        """Run a shell script on a host, which must succeed."""
        result = self.lab.host(name).run(("sh", "-ec", script))
        assert result.ok, f"{name}: {script}: {result.output}"
        return result.stdout

    def vni(self, name: str = "host1") -> int:
        """Of the one overlay that a host has; a store that has had others before gives higher ones."""
        spaces = "for space in /run/docker/netns/1-*; do nsenter --net=$space ip -d -o link; done"
        (number,) = re.findall(r" vxlan id (\d+) ", self.do(name, spaces))
        return int(number)

    def state(self) -> dict[str, HostState]:
        """What is on all hosts now."""
        with ThreadPoolExecutor(len(self.hosts)) as pool:
            return dict(zip((h.name for h in self.hosts), pool.map(self._state, self.hosts), strict=True))

    def _state(self, host: LabHost) -> HostState:
        files, engine_is, unit = host.run(("sh", "-c", STATE)).stdout.split(CUT)
        pid, arguments, links = engine_is.split("\n", 2)
        with closing(self.at(host.name)) as engine:
            containers = [engine.inspect_container(c["Id"]) for c in engine.containers(all=True)]
            networks = engine.networks()
            volumes = engine.volumes()["Volumes"] or []
            images = engine.images()
        return HostState(
            as_made={
                "files": files.splitlines(),
                "unit": unit,
                "arguments": arguments,
                "links": links.split(),
                "containers": {
                    c["Name"]: (c["Config"]["Image"], c["State"]["Running"], c["HostConfig"]["RestartPolicy"])
                    for c in containers
                },
                "networks": {
                    n["Name"]: (n["Driver"], n["Scope"], n["Options"], n["IPAM"]["Config"]) for n in networks
                },
                "volumes": sorted(v["Name"] for v in volumes),
                "images": {tag: i["Id"] for i in images for tag in i["RepoTags"] or (i["Id"],)},
            },
            alive={
                "pid": int(pid),
                "containers": {c["Id"]: (c["State"]["StartedAt"], c["RestartCount"]) for c in containers},
                "networks": {n["Name"]: n["Id"] for n in networks},
            },
        )

    def living(self, *names: str) -> dict[str, tuple[str, str, str]]:
        """Main process of each engine, and since when app-NAME runs there, a user's container."""
        found = {}
        for name in names:
            with closing(self.at(name)) as engine:
                its = engine.inspect_container(f"app-{name}")
            pid = self.do(name, "systemctl show -p MainPID --value docker.service")
            found[name] = (pid, its["Id"], its["State"]["StartedAt"])
        return found

    def pids(self) -> list[int]:
        """Main process of every engine."""
        return [its.alive["pid"] for its in self.state().values()]

    def probes(self) -> list[str]:
        """Names of all probe containers on all hosts, running or not."""
        found = []
        for host in self.hosts:
            with closing(self.at(host.name)) as engine:
                mine = engine.containers(all=True, filters={"label": PROBE_LABEL})
            found += [name for container in mine for name in container["Names"]]
        return found

    def leave_endpoint(self, name: str) -> None:
        """Write a container's endpoint into the store a second time, as one that nobody has any more: an
        engine whose containers end while the store has no leader leaves such."""
        url = "http://127.0.0.1:8500/v1/kv/"
        for row in json.loads(self.do("host1", f"{CURL} '{url}docker/network/v1.0/endpoint/?recurse'")):
            value = base64.b64decode(row["Value"] or "").decode()
            if f'"{name}"' in value:
                old = row["Key"].rstrip("/").rsplit("/", 1)[-1]
                key, value = (text.replace(old, old[::-1]) for text in (row["Key"], value))
                self.do("host1", f"{CURL} -X PUT -d @- '{url}{key}' <<'END'\n{value}\nEND")

    def make_clean(self) -> None:
        """The hosts as they were after their first boot, and the pristine state from then on."""
        if not self.pristine:
            self._wipe(host.name for host in self.hosts)
            self.pristine = self.state()
        if as_made(self._state_or_wiped()) == as_made(self.pristine):
            return
        self.fab("destroy-overlay", "--yes")
        now = self._state_or_wiped()
        self._wipe(name for name in now if now[name].as_made != self.pristine[name].as_made)
        left = differences(self.pristine, self.state())
        assert not left, left

    def _state_or_wiped(self) -> dict[str, HostState]:
        """What one test has killed must not fail the next, nor what it has removed."""
        try:
            self._load(host.name for host in self.hosts)
            return self.state()
        except DOWN:
            self._wipe(host.name for host in self.hosts)
            return self.state()

    def make_bare(self) -> None:
        """Clean hosts, which have no image at all."""
        self.make_clean()
        for host in self.hosts:
            with closing(self.at(host.name)) as engine:
                for image in self._images() if self.loaded else ():
                    engine.remove_image(image)

    def _images(self) -> tuple[str, ...]:
        wanted = self.wanted()
        return wanted["store"]["image"], wanted["images"]["probe"]

    def _load(self, names: Iterable[str]) -> None:
        """Give hosts what they lack of the images."""

        def load(name: str) -> None:
            with closing(self.at(name)) as engine:
                there = {tag for its in engine.images() for tag in its["RepoTags"] or ()}
            for image in self._images():
                if image not in there:
                    archive = Path(self.wanted()["images"]["archives"][image])
                    assert self.lab.host(name).run(("docker", "load"), stdin=archive.read_bytes()).ok

        with ThreadPoolExecutor(len(self.hosts)) as pool:
            list(pool.map(load, names if self.loaded else ()))

    def _wipe(self, names: Iterable[str]) -> None:
        names = tuple(names)

        def wipe(name: str) -> None:
            host = self.lab.host(name)
            assert host.run(("sh", "-c", WIPE), timeout=SECONDS).ok
            faults.start_engine(host)

        with ThreadPoolExecutor(len(self.hosts)) as pool:
            list(pool.map(wipe, names))
        self._load(names)

    def make_deployed(self) -> None:
        """The overlay of the inventory on all hosts, proven."""
        if self.deployed is None or self._state_or_wiped() != self.deployed:
            ran = self.deploy("--replace-network")
            if ran.status:
                # As of an engine that one test has left stuck in half a namespace.
                self._wipe(host.name for host in self.hosts)
                ran = self.deploy()
            ran.ok()
            self.deployed = self.state()

    def mend(self) -> None:
        """Take back what a test has broken, the last first."""
        while self.undo:
            self.undo.pop()()

    def drop(self, name: str, protocol: str, port: int, peer: str) -> None:
        """Drop a port between two hosts, until the end of the test."""
        host = self.lab.host(name)
        faults.drop(host, protocol, port, self.lab.host(peer).address)
        self.undo.append(lambda: faults.clear(host))


@contextmanager
def bed_of(lab: Lab, folder: Path) -> Iterator[Bed]:
    """A lab with an inventory of it and a home that knows its hosts, as long as the block lasts."""
    try:
        bed = Bed(lab, folder)
        lab.write_inventory(bed.inventory)
        (bed.home / ".ssh").mkdir(parents=True, mode=0o700)
        shutil.copy(lab.known_hosts, bed.home / ".ssh/known_hosts")
        yield bed
    finally:
        lab.down()


# First an engine without a store: one whose store is gone can't remove its networks.
WIPE = """\
systemctl --quiet disable --now overweave-boot.service overweave-backup.timer 2>/dev/null
systemctl --quiet disable --now overweave-consul.service 2>/dev/null
rm -rf /var/backups/overweave /var/lib/systemd/timers/stamp-overweave-backup.timer
rm -rf /etc/systemd/system/docker.service.d /etc/overweave /var/lib/overweave /etc/docker/daemon.json
rm -f /etc/systemd/system/overweave-boot.service /etc/systemd/system/overweave-backup.*
rm -f /etc/systemd/system/overweave-consul.service
systemctl daemon-reload
systemctl reset-failed docker docker.socket
systemctl stop docker.socket docker
systemctl start docker || exit
docker swarm leave --force > /dev/null 2>&1
docker ps -aq | xargs -r docker rm -fv
docker network ls -q --filter type=custom | xargs -r docker network rm
! ip link show docker_gwbridge > /dev/null 2>&1 || ip link delete docker_gwbridge
docker volume ls -q | xargs -r docker volume rm
docker images -q | sort -u | xargs -r docker rmi -f
"""


def as_made(states: Mapping[str, HostState]) -> dict[str, dict[str, Any]]:
    return {name: its.as_made for name, its in states.items()}


def differences(before: Mapping[str, HostState], after: Mapping[str, HostState]) -> list[str]:
    """What of the hosts is not as it was, in a form that fits a message."""
    return [
        f"{name}: {key}: {before[name].as_made[key]} became {its.as_made[key]}"
        for name, its in after.items()
        for key in its.as_made
        if its.as_made[key] != before[name].as_made[key]
    ]


def changes(before: Mapping[str, HostState], after: Mapping[str, HostState]) -> list[str]:
    """As `differences`, and what was restarted or made anew."""
    return differences(before, after) + [
        f"{name}: {key}: {before[name].alive[key]} became {its.alive[key]}"
        for name, its in after.items()
        for key in its.alive
        if its.alive[key] != before[name].alive[key]
    ]


def directed(*hosts: str) -> set[tuple[str, str]]:
    return {(a, b) for a in hosts for b in hosts if a != b}


def red(proof: Mapping[str, Any]) -> dict[tuple[str, str], set[str]]:
    """The red pairs of a proof's JSON, each with its failed checks."""
    return {
        (p["from"], p["to"]): {name for name, check in p["checks"].items() if not check["ok"]}
        for p in proof["pairs"]
        if not p["green"]
    }


def load(path: Path) -> dict[str, Any]:
    found = json.loads(path.read_text())
    assert isinstance(found, dict)
    return found
