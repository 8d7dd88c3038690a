"""What faults of a swarm cost containers that use its overlay all the time.

`python -m tests.lab.swarm_drill --times 3` runs all drills on five hosts of its own, three of them managers,
with a line for each. A counter counts meanwhile, on hosts that are not hit (`tests.lab.store_drill`).
"""

from __future__ import annotations

import time

from tests.lab import drill
from tests.lab.bed import Bed
from tests.lab.store_drill import Drill, Shown, join, join_twice, main, others, power_off

from overweave.lab import faults
from overweave.lab.waiting import wait_for

TASKS = ("validate-overlay", "doctor")
CUT_SECONDS = 60
JOIN_SECONDS = 60
"""A worker asks a manager to let a container join, and finds the next leader by and by."""
WORKERS = "host4,host5"
HEALED_SECONDS = 120
"""Managers that see each other again have no leader for up to 90 s (measured)."""
NODES = "docker node ls --format '{{.Hostname}} {{.ManagerStatus}}'"


def leader(bed: Bed) -> str:
    for host in bed.hosts:
        said = host.run(("sh", "-c", NODES))
        for line in said.stdout.splitlines() if said.ok else ():
            if line.endswith(" Leader"):
                return line.partition(" ")[0]
    raise AssertionError("no manager tells of a leader")


def kill_leader(bed: Bed, hit: str) -> Shown:
    """Its engine dies, and systemd starts it again."""
    shown = Shown()
    faults.kill_engine(bed.lab.host(hit))
    shown.broke()
    shown.mends()
    join_twice(bed, others(bed, hit), shown)
    return shown


def reboot(bed: Bed, hit: str) -> Shown:
    """All that are hit at once."""
    shown = Shown()
    hosts = [bed.lab.host(name) for name in hit.split(",")]
    shown.broke()
    drill.off(hosts, hard=False)
    shown.mends()
    drill.on(hosts)
    shown.joined = join(bed, others(bed), shown.mended)
    return shown


def cut_in_two(bed: Bed, hit: str) -> Shown:
    """Those that are hit are without a majority of the managers; the traffic of each side goes on."""
    shown = Shown()
    cut, rest = hit.split(","), others(bed, *hit.split(","))
    shown.broke()
    for name in cut:
        faults.cut(bed.lab.host(name), *(bed.lab.host(peer).address for peer in rest))
    shown.joined = join(bed, rest, shown.since)
    end = shown.since + CUT_SECONDS
    wait_for(lambda: time.monotonic() >= end, CUT_SECONDS + 5, "the time that they are cut off")
    for side in (cut, rest):
        assert drill.dead(bed, {name: drill.address(bed, name) for name in side}) == []
    for name in cut:
        faults.clear(bed.lab.host(name))
    shown.mends()
    return shown


def the_leader(bed: Bed) -> list[str]:
    return [leader(bed)]


DRILLS = {
    "the leader's engine is killed": Drill(kill_leader, the_leader, joins=JOIN_SECONDS),
    "the leader's host is powered off": Drill(power_off, the_leader, joins=JOIN_SECONDS),
    "both workers reboot at once": Drill(reboot, lambda bed: [WORKERS], joins=JOIN_SECONDS),
    "the leader and a worker are cut from the others": Drill(
        cut_in_two, lambda bed: [f"{leader(bed)},host5"], joins=JOIN_SECONDS, whole=HEALED_SECONDS
    ),
}


if __name__ == "__main__":
    main(str(__doc__), DRILLS, words=("--backend", "swarm"), tasks=TASKS)
