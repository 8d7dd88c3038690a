"""Reboots and power losses of a bed, and how long it takes until everything is whole again with no human.

`python -m tests.lab.drill --times 10` runs them again and again, and prints a line for each.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lab.bed import LAB, NET, Bed, Ran, bed_of, fresh, load

from overweave.errors import OverweaveError
from overweave.lab import LabHost, faults
from overweave.lab.waiting import wait_for

POLICIES = ("always", "unless-stopped", "on-failure")
SECONDS = 60
"""Until everything has to be whole, from the last boot."""
WHY = r"""
date +%T
journalctl -b -u docker -o short --no-pager | grep -v 'level=info msg="Container' | tail -n 30 | cut -c 1-250
cd /var/lib/docker/containers
grep -oE '"(Name":"/app|Error":"|FinishedAt":")[^"]*"|"HasBeen[A-Za-z]*":true' */config.v2.json |
  cut -c 1-12,65-
"""
"""What an engine has done, and what it knows of containers."""
STATES = """\
docker ps -aq --filter name=^app- | xargs -r docker inspect --format \
    '{{.Name}} {{.State.Status}} {{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}'
"""


def populate(bed: Bed) -> None:
    """Users' containers on every host: one of each restart policy, and one that somebody has stopped."""
    image = bed.wanted()["images"]["probe"]

    def one(host: LabHost) -> None:
        policies = {policy: policy for policy in POLICIES} | {"halted": "unless-stopped"}
        lines = [
            f"docker run -d --name app-{host.name}-{name} --restart {policy} "
            f"--network overweave {image} sleep 9999"
            for name, policy in policies.items()
        ]
        bed.do(host.name, "\n".join([*lines, f"docker stop -t 0 app-{host.name}-halted"]))

    with ThreadPoolExecutor(len(bed.hosts)) as pool:
        list(pool.map(one, bed.hosts))


def clear(bed: Bed) -> None:
    for host in bed.hosts:
        bed.do(host.name, "docker ps -aq --filter name=^app- | xargs -r docker rm -f")


def off(hosts: Sequence[LabHost], *, hard: bool = True) -> None:
    with ThreadPoolExecutor(len(hosts)) as pool:
        list(pool.map(lambda host: faults.power_off(host, hard=hard), hosts))


def on(hosts: Sequence[LabHost]) -> None:
    """Boot hosts; returns when their engines are active."""
    with ThreadPoolExecutor(len(hosts)) as pool:
        list(pool.map(faults.power_on, hosts))


@contextmanager
def booting(hosts: Sequence[LabHost]) -> Iterator[None]:
    """Boot hosts beside what is done in here."""
    with ThreadPoolExecutor(1) as pool:
        boot = pool.submit(on, hosts)
        yield
        boot.result()


@dataclass(frozen=True)
class Look:
    """What is not as it should be."""

    wrong: tuple[str, ...]


def look(bed: Bed) -> Look:
    wrong: list[str] = []
    addresses: dict[str, str] = {}
    for host in bed.hosts:
        try:
            lines = bed.do(host.name, STATES).splitlines()
        except (OverweaveError, AssertionError):
            return Look((f"the engine of {host.name} does not answer",))
        for line in lines:
            name, state, *address = line.strip("/").split(" ")
            if (state == "running") == name.endswith("-halted"):
                wrong.append(f"{name} is {state}")
            elif name.endswith("-always"):
                addresses[host.name] = address[0]
    if wrong:
        return Look(tuple(wrong))
    file = bed.folder / "status.json"
    file.unlink(missing_ok=True)
    bed.fab("status", "--json", str(file))
    if not file.exists():
        return Look(("no status",))
    for its in load(file)["hosts"]:
        if not its["registered"] or its["sees"] != len(bed.hosts) - 1:
            wrong.append(f"{its['name']}: registered {its['registered']}, sees {its['sees']}")
    return Look(tuple(wrong or dead(bed, addresses)))


def address(bed: Bed, name: str) -> str:
    """Of the users' container of a host that `dead` asks."""
    its = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    return bed.do(name, f"docker inspect -f '{its}' app-{name}-always").strip()


def dead(bed: Bed, addresses: dict[str, str]) -> list[str]:
    """Directed pairs of hosts whose users' containers don't reach each other."""
    pairs = [(a, b) for a in addresses for b in addresses if a != b]

    def pings(pair: tuple[str, str]) -> bool:
        ping = f"docker exec app-{pair[0]}-always ping -q -c 2 -W 1 {addresses[pair[1]]}"
        return bed.lab.host(pair[0]).run(("sh", "-c", f"{ping} | grep -q ' [12] packets received'")).ok

    with ThreadPoolExecutor(6) as pool:
        return [f"{a} -> {b}" for (a, b), well in zip(pairs, pool.map(pings, pairs), strict=True) if not well]


def whole_within(bed: Bed, since: float, seconds: float = SECONDS) -> float:
    """Wait until everything is whole, and return how long that took since a (monotonic) time in s.

    Raises `AssertionError` with what is wrong and what the units have said.
    """
    last = Look(())

    def whole() -> bool:
        nonlocal last
        last = look(bed)
        return not last.wrong

    try:
        wait_for(whole, max(1, since + seconds - time.monotonic()), "everything to be whole")
    except OverweaveError as e:
        said = "\n".join(
            f"{h.name}:\n{journal(bed, h.name)}\n{bed.do(h.name, WHY)}" for h in bed.hosts if h.running
        )
        raise AssertionError(f"{'; '.join(last.wrong)}\n{said}") from e
    return time.monotonic() - since


def journal(bed: Bed, name: str) -> str:
    """What the unit of a host has said since the last boot."""
    return bed.do(name, "journalctl -b -u overweave-boot -o cat --no-pager")


def proven(bed: Bed) -> Ran:
    return bed.fab("validate-overlay").ok()


def one_by_one(bed: Bed, hosts: Sequence[LabHost] = ()) -> float:
    """Some hosts, or all."""
    longest = 0.0
    for host in hosts or bed.hosts:
        off([host], hard=False)
        since = time.monotonic()
        on([host])
        longest = max(longest, whole_within(bed, since))
    return longest


def all_at_once(bed: Bed) -> float:
    off(bed.hosts, hard=False)
    since = time.monotonic()
    on(bed.hosts)
    return whole_within(bed, since)


def power_loss(bed: Bed, *, ahead: float = 0) -> float:
    """All at once, without a sync. ``ahead``: seconds that the others have booted before the store's host."""
    off(bed.hosts)
    store, *others = bed.hosts
    begun = time.monotonic()
    with booting(others):
        wait_for(lambda: time.monotonic() >= begun + ahead, ahead + 5, "the time that they boot before it")
        since = time.monotonic()
        on([store])
    return whole_within(bed, since)


def store_too_late(bed: Bed) -> float:
    """The store answers only when Docker has given up what needs it."""
    store, *others = bed.hosts
    bed.do(store.name, "docker stop -t 0 consul")
    off(others)
    on(others)
    for host in others:
        assert "exited" in bed.do(host.name, STATES), "Docker has not given up"
    since = time.monotonic()
    bed.do(store.name, "docker start consul")
    return whole_within(bed, since)


DRILLS = {
    "each in turn": one_by_one,
    "all at once": all_at_once,
    "power loss": power_loss,
    "power loss, store 90 s later": lambda bed: power_loss(bed, ahead=90),
    "store after Docker gave up": store_too_late,
}


@contextmanager
def populated(hosts: int, *words: str) -> Iterator[Bed]:
    """So many hosts of this drill's own, with a proven overlay (``words``: of its deployment), and users'
    containers on it."""
    lab = fresh(LAB, hosts=hosts, subnet=f"{NET}.0/24")
    with bed_of(lab, Path(tempfile.mkdtemp(prefix="overweave-drill-"))) as bed:
        bed.deploy(*words).ok()
        populate(bed)
        yield bed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--hosts", type=int, default=3)
    parser.add_argument("--only", choices=DRILLS, action="append")
    wanted = parser.parse_args()
    failed = 0
    with populated(wanted.hosts) as bed:
        for turn in range(1, wanted.times + 1):
            for name in wanted.only or DRILLS:
                try:
                    print(f"{turn}: {name}: whole after {DRILLS[name](bed):.1f} s", end="; ", flush=True)
                    print(proven(bed).out.strip().splitlines()[-3], flush=True)
                except AssertionError as e:
                    failed += 1
                    print(f"{turn}: {name}: NOT WHOLE after {SECONDS} s: {e}", flush=True)
                    bed.fab("repair", "--yes")
                did = {
                    h.name: [line for line in journal(bed, h.name).splitlines() if _told(line)]
                    for h in bed.hosts
                }
                for host, lines in did.items():
                    print("".join(f"    {host}: {line}\n" for line in lines), end="", flush=True)
    sys.exit(1 if failed else 0)


def _told(line: str) -> bool:
    return not line.startswith(("-- ", "Started ", "overweave-boot", "all there"))


if __name__ == "__main__":
    main()
