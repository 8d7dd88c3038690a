"""What the loss of a part of the store, or of all of it, costs containers that use the overlay all the time.

`python -m tests.lab.store_drill --times 3` runs all drills on five hosts of its own, with a line for each.
A counter counts meanwhile (`tests.lab.counter`). A drill breaks something, and gives what it has measured;
that nothing was lost, and that everything is whole, is looked at behind each.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab import drill
from tests.lab.bed import Bed, load
from tests.lab.counter import SERVER, Counter, Figures, counting

from overweave.errors import OverweaveError
from overweave.lab import LabHost, faults
from overweave.lab.waiting import wait_for

HOSTS = 5
CUT_SECONDS = 120
JOIN_SECONDS = 15
LATER_SECONDS = 8
"""When somebody starts another one."""
TASKS = ("validate-overlay", "store-status", "doctor")
PATIENCE = 90
"""How long a container is tried again that does not join."""


@dataclass
class Shown:
    """What a drill has measured. ``since`` is when something broke, ``mended`` when it could begin to heal,
    both in monotonic seconds; ``joined`` is how long new containers took from the fault on, by host."""

    since: float = 0.0
    mended: float = 0.0
    joined: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def broke(self) -> None:
        self.since = time.monotonic()

    def mends(self) -> None:
        self.mended = time.monotonic()


def leader(bed: Bed) -> str:
    file = bed.folder / "store.json"
    bed.fab("store-status", "--json", str(file))
    return next(str(server["name"]) for server in load(file)["servers"] if server["leader"])


def servers(bed: Bed) -> list[str]:
    file = bed.folder / "store.json"
    bed.fab("store-status", "--json", str(file))
    return [str(server["name"]) for server in load(file)["servers"]]


def join(bed: Bed, hosts: Iterable[str], since: float) -> dict[str, float]:
    """Start containers until one on each host has reached the counter by its name; seconds since then."""
    image = bed.wanted()["images"]["probe"]
    run = f"docker run --rm --network overweave {image} ping -q -c 1 -W 1 {SERVER}"

    def one(name: str) -> float:
        host = bed.lab.host(name)
        wait_for(lambda: host.run(("sh", "-c", run), timeout=PATIENCE).ok, PATIENCE, "a container that joins")
        return time.monotonic() - since

    names = list(hosts)
    with ThreadPoolExecutor(len(names)) as pool:
        return dict(zip(names, pool.map(one, names), strict=True))


def join_twice(bed: Bed, hosts: Sequence[str], shown: Shown) -> None:
    """A container on each host in the moment of the fault, whose requests may be with the leader that is
    gone, and another one some seconds later."""
    with ThreadPoolExecutor(1) as pool:
        at_once = pool.submit(join, bed, hosts, shown.since)
        later = shown.since + LATER_SECONDS
        wait_for(lambda: time.monotonic() >= later, LATER_SECONDS + 5, "some seconds")
        second = join(bed, hosts, shown.since)
        first = at_once.result()
    shown.joined = {name: min(first[name], second[name]) for name in first}
    shown.notes.append(f"started at once: after {min(first.values()):.1f}-{max(first.values()):.1f} s")
    shown.notes.append(f"started later: after {min(second.values()):.1f}-{max(second.values()):.1f} s")


def others(bed: Bed, *hit: str) -> list[str]:
    return [host.name for host in bed.hosts if host.name not in hit]


def kill_leader(bed: Bed, hit: str) -> Shown:
    """Its process dies, and its container is started again by the engine."""
    shown = Shown()
    bed.do(hit, "kill -9 $(docker inspect -f '{{.State.Pid}}' consul)")
    shown.broke()
    shown.mends()
    join_twice(bed, others(bed), shown)
    return shown


def stop_leader(bed: Bed, hit: str) -> Shown:
    """Its container stays down until somebody starts it."""
    shown = Shown()
    bed.do(hit, "docker kill consul")
    shown.broke()
    join_twice(bed, others(bed, hit), shown)
    shown.mends()
    bed.do(hit, "docker start consul")
    return shown


def power_off(bed: Bed, hit: str) -> Shown:
    shown = Shown()
    host = bed.lab.host(hit)
    faults.power_off(host)
    shown.broke()
    join_twice(bed, others(bed, hit), shown)
    shown.mends()
    faults.power_on(host)
    return shown


def _cut(bed: Bed, hit: str, peers: Sequence[LabHost], hosts: Sequence[str]) -> Shown:
    shown = Shown()
    host = bed.lab.host(hit)
    shown.broke()
    faults.cut(host, *(peer.address for peer in peers))
    join_twice(bed, hosts, shown)
    end = shown.since + CUT_SECONDS
    wait_for(lambda: time.monotonic() >= end, CUT_SECONDS + 5, "the time that it is cut off")
    begun = time.monotonic()
    late = join(bed, hosts, begun)
    shown.notes.append(f"at the end of the cut in {max(late.values()):.1f} s")
    faults.clear(host)
    shown.mends()
    return shown


def cut_from_servers(bed: Bed, hit: str) -> Shown:
    """All that goes to the other servers, and comes from them, is dropped."""
    peers = [bed.lab.host(name) for name in servers(bed) if name != hit]
    return _cut(bed, hit, peers, others(bed, hit))


def cut_from_all(bed: Bed, hit: str) -> Shown:
    """As if its cable was pulled."""
    return _cut(bed, hit, [h for h in bed.hosts if h.name != hit], others(bed, hit))


def reboot_each(bed: Bed, hit: str) -> Shown:
    """In turn, each as soon as everything is whole behind the one before."""
    shown = Shown()
    shown.broke()
    longest = 0.0
    for host in bed.hosts:
        drill.off([host], hard=False)
        shown.mends()
        drill.on([host])
        longest = max(longest, drill.whole_within(bed, shown.mended))
    shown.notes.append(f"whole at the latest {longest:.1f} s after a boot")
    return shown


def reboot_all(bed: Bed, hit: str) -> Shown:
    shown = Shown()
    shown.broke()
    drill.off(bed.hosts, hard=False)
    shown.mends()
    drill.on(bed.hosts)
    return shown


def _destroy(bed: Bed) -> None:
    """The store's containers and all that they have held, on all hosts at once."""
    gone = "docker rm -f consul && docker volume rm overweave-consul"
    with ThreadPoolExecutor(len(bed.hosts)) as pool:
        list(pool.map(lambda host: bed.do(host.name, gone), bed.hosts))


def restore(bed: Bed, hit: str) -> Shown:
    """All data of the store are destroyed, and a backup is restored."""
    shown = Shown()
    file = str(bed.folder / "backup.tar")
    bed.fab("store-backup", file, "--force").ok()
    _destroy(bed)
    shown.broke()
    shown.mends()
    bed.fab("store-restore", file, "--yes").ok()
    shown.notes.append(f"restored and proven after {time.monotonic() - shown.since:.1f} s")
    shown.joined = join(bed, others(bed), time.monotonic())
    return shown


def rebuild(bed: Bed, hit: str) -> Shown:
    """All data of the store are destroyed, and there is no backup."""
    shown = Shown()
    _destroy(bed)
    shown.broke()
    shown.mends()
    bed.fab("store-rebuild", "--yes").ok()
    shown.notes.append(f"rebuilt and proven after {time.monotonic() - shown.since:.1f} s")
    shown.joined = join(bed, others(bed), time.monotonic())
    return shown


def _changed(bed: Bed, *words: str) -> Shown:
    """A command that is to cost nobody anything, and a container on each host behind it."""
    shown = Shown()
    shown.broke()
    bed.fab(*words).ok()
    shown.mends()
    shown.notes.append(f"done after {shown.mended - shown.since:.1f} s")
    shown.joined = join(bed, others(bed), shown.mended)
    return shown


def upgrade(bed: Bed, hit: str) -> Shown:
    """To the same version under another name, and back in the next turn."""
    now = bed.wanted()["store"]["image"]
    new = {"consul:1.8.7": "consul:next"}.get(now, "consul:1.8.7")
    for host in bed.hosts:
        bed.do(host.name, f"docker tag {now} {new}")
    shown = _changed(bed, "store-upgrade", "--image", new, "--yes")
    bed.write_inventory(image=new)
    return shown


def rotate(bed: Bed, hit: str) -> Shown:
    return _changed(bed, "rotate-certificates", "--yes")


def rotate_key(bed: Bed, hit: str) -> Shown:
    return _changed(bed, "rotate-gossip-key")


def rotate_under_https(bed: Bed, hit: str) -> Shown:
    """Engines use HTTPS to their own agents, so that each restarts, with all containers of its host."""
    bed.write_inventory(tls=True)
    bed.deploy().ok()
    try:
        return _changed(bed, "rotate-certificates", "--yes", "--batch", "1")
    finally:
        bed.write_inventory(tls=False)
        bed.deploy().ok()


@dataclass(frozen=True)
class Drill:
    """``run`` is given the bed and the host that is hit, or some with commas. ``hits``: which these are, one
    run each; "" where all hosts are. ``keeps``: whether connections of hosts that were not hit must stand."""

    run: Callable[[Bed, str], Shown]
    hits: Callable[[Bed], list[str]] = lambda bed: [""]
    keeps: bool = True
    joins: float = JOIN_SECONDS
    whole: float = drill.SECONDS


def the_leader(bed: Bed) -> list[str]:
    return [leader(bed)]


def a_follower(bed: Bed) -> list[str]:
    first = leader(bed)
    return [next(name for name in servers(bed) if name != first)]


DRILLS = {
    "the leader is killed": Drill(kill_leader, the_leader),
    "the leader's container is stopped": Drill(stop_leader, the_leader),
    "power off, each server in turn": Drill(power_off, servers),
    "the leader is cut off from the servers": Drill(cut_from_servers, the_leader),
    "a follower is cut off from the servers": Drill(cut_from_servers, a_follower),
    "the leader's host is cut off from all": Drill(cut_from_all, the_leader),
    "a follower's host is cut off from all": Drill(cut_from_all, a_follower),
    "the store's data are destroyed, a backup restored": Drill(restore),
    "the store's data are destroyed, rebuilt without a backup": Drill(rebuild),
    "Consul is upgraded": Drill(upgrade),
    "certificates are rotated": Drill(rotate),
    "the gossip's key is rotated": Drill(rotate_key),
    "certificates are rotated, engines use HTTPS": Drill(rotate_under_https, keeps=False),
    "each host reboots in turn": Drill(reboot_each, keeps=False),
    "all hosts reboot at once": Drill(reboot_all, keeps=False),
}


@contextmanager
def beside(bed: Bed, hit: str) -> Iterator[Counter]:
    """A counter on hosts that are not hit: the server, and clients on two others."""
    spared = others(bed, *hit.split(","))[::-1]
    with counting(bed, spared[0], spared[1:3], wait=False) as counter:
        try:
            counter.wait()
        except OverweaveError as e:
            # Engines remember who had these addresses (moby#52661): that is told, and no reason to go home.
            print(f"    BEFORE: {e}; {bed.fab('doctor').out}", flush=True)
            bed.fab("repair", "--yes")
            counter.wait()
        yield counter


@dataclass(frozen=True)
class Outcome:
    """``whole`` and ``proven`` are seconds from `Shown.mended` on, 0 for never; ``wrong`` is what is not as
    it must be, in words."""

    hit: str
    shown: Shown
    whole: float
    proven: float
    kept: Figures
    anew: Figures
    wrong: tuple[str, ...]

    def __str__(self) -> str:
        kept, anew, joined = self.kept, self.anew, self.shown.joined.values()
        both = kept + anew
        parts = [
            f"{self.hit or 'all'}: {both.acknowledged} acknowledged, {both.lost} lost",
            f"gap kept {kept.longest:.2f} s, anew {anew.longest:.2f} s",
            f"unanswered {kept.unanswered}+{anew.unanswered}, reconnected {kept.connections}",
            f"joined after {min(joined):.1f}-{max(joined):.1f} s" if joined else "",
            f"whole {self.whole:.1f} s, proven {self.proven:.1f} s" if self.whole else "NOT WHOLE",
            *self.shown.notes,
            f"{os.getloadavg()[0]:.0f} busy on {os.cpu_count()} cores",
        ]
        return "; ".join(filter(None, parts))


def run(bed: Bed, its: Drill, hit: str, tasks: Sequence[str] = TASKS) -> Outcome:
    """Run a drill on a host, and look at everything behind it, by tasks that must find nothing wrong."""
    wrong: list[str] = []
    whole = 0.0
    with beside(bed, hit) as counter:
        begun = time.time()
        shown = its.run(bed, hit)
        try:
            whole = drill.whole_within(bed, shown.mended, its.whole)
        except AssertionError as e:
            wrong.append(str(e))
        for task in tasks:
            if (ran := bed.fab(task)).status:
                wrong.append(f"{task}: {ran.out}{ran.err}")
            if task == "validate-overlay":
                proven = time.monotonic() - shown.mended
        try:
            counter.wait()
        except OverweaveError as e:
            wrong.append(str(e))
        kept, anew = counter.figures(begun, of="kept"), counter.figures(begun, of="anew")
    wrong += [
        f"a container on {name} joined after {seconds:.1f} s"
        for name, seconds in shown.joined.items()
        if seconds > its.joins
    ]
    if kept.lost + anew.lost:
        wrong.append("acknowledged writes are lost")
    if its.keeps and kept.connections + kept.unanswered:
        wrong.append("connections that were kept have broken")
    return Outcome(hit, shown, whole, proven, kept, anew, tuple(wrong))


def keep_journals(bed: Bed, folder: Path) -> None:
    """What the hosts have logged, for whoever looks for the reason."""
    folder.mkdir(parents=True, exist_ok=True)
    for host in bed.hosts:
        said = host.run(
            ("sh", "-c", "journalctl --no-pager -o short-precise -n 3000; docker logs consul 2>&1")
        )
        (folder / f"{host.name}.log").write_text(said.stdout)


def main(
    told: str, drills: Mapping[str, Drill], *, words: Sequence[str] = (), tasks: Sequence[str] = TASKS
) -> None:
    """``words``: of the deployment that the drills are run on; ``tasks`` as for `run`."""
    parser = argparse.ArgumentParser(description=told)
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--only", choices=drills, action="append")
    parser.add_argument("--journals", type=Path, help="folder for the journals of what was not whole")
    wanted = parser.parse_args()
    failed = 0
    with drill.populated(HOSTS, *words) as bed:
        for turn in range(1, wanted.times + 1):
            for name in wanted.only or drills:
                for hit in drills[name].hits(bed):
                    failed += not _one(bed, f"{turn}: {name}", drills[name], hit, wanted.journals, tasks)
    shutil.rmtree(bed.folder)
    sys.exit(1 if failed else 0)


def _one(bed: Bed, title: str, its: Drill, hit: str, journals: Path | None, tasks: Sequence[str]) -> bool:
    try:
        outcome = run(bed, its, hit, tasks)
        line, wrong = str(outcome), outcome.wrong
    except (AssertionError, OverweaveError) as e:
        line, wrong = "BROKEN OFF", (str(e),)
    print(f"{title}: {line}", flush=True)
    for told in wrong:
        print(f"    WRONG: {told}", flush=True)
    if wrong:
        if journals:
            keep_journals(bed, journals / title.replace(" ", "-").replace(":", ""))
        if bed.fab("doctor").status:
            bed.fab("repair", "--yes")
    return not wrong


if __name__ == "__main__":
    main(str(__doc__), DRILLS)
