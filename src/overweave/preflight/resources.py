"""What a host needs beside an engine: room on its disks, the time of day, and its own name."""

from __future__ import annotations

from shlex import quote
from statistics import median_low

from overweave.facts.disks import CONFIGURATION, LOGS, RECORDS
from overweave.facts.engine import Engine
from overweave.facts.fleet import FleetFacts
from overweave.facts.machine import root_of
from overweave.model import Fleet, tagged
from overweave.printable import one_line

from .finding import Finding, error, warning

MEGA = 1_000_000
STORE_IMAGE = 300 * MEGA
PROBE_IMAGE = 20 * MEGA
"""Bytes that the engine needs at least for Consul's image and for busybox, upload and layers together."""
AMPLE = 500 * MEGA
FILES = 4 * MEGA
"""Bytes for what Overweave writes itself: a drop-in, records, and an audit log."""
INODES = 2_000
SKEW_SECONDS = 30.0


def disks(fleet: Fleet, facts: FleetFacts) -> list[Finding]:
    return [finding for name in facts.machines for finding in _of_disks(fleet, facts, name)]


def _of_disks(fleet: Fleet, facts: FleetFacts, name: str) -> list[Finding]:
    machine, its = facts.machines[name], facts.hosts[name]
    root = root_of(its)
    there = its.engine.images if isinstance(its.engine, Engine) else frozenset()
    need = 0
    if tagged(fleet.images.probe) not in there:
        need += PROBE_IMAGE
    if name in fleet.agents and tagged(fleet.store.image) not in there:
        need += STORE_IMAGE
    found = []
    for path, least in ((root, need), (CONFIGURATION, FILES), (RECORDS, FILES), (LOGS, FILES)):
        disk = machine.disk(path)
        if disk is None:
            continue
        # A deployment that can't be noted is a deployment, and says so once.
        grave = warning if path == LOGS else error
        if not disk.writable:
            found.append(
                grave(
                    "resources.read-only",
                    f"{path} can't be written to",
                    matters="nobody will know what was changed here" if path == LOGS else "",
                    fix=f"see `findmnt -T {path}` and, for errors of its disk, `dmesg`",
                    host=name,
                )
            )
        elif disk.free < least:
            found.append(
                grave(
                    "resources.disk",
                    f"{path} has {_mega(disk.free)} free, and {_mega(least)} are needed",
                    fix=f"make room: see `docker system df` and `du -x {path}`",
                    host=name,
                )
            )
        elif path == root and need and disk.free < AMPLE:
            found.append(
                warning(
                    "resources.disk",
                    f"{path} has only {_mega(disk.free)} free",
                    matters="a full disk stops the store and the engine",
                    fix=f"make room: see `docker system df` and `du -x {path}`",
                    host=name,
                )
            )
        if disk.inodes is not None and disk.inodes < INODES:
            found.append(
                warning(
                    "resources.inodes",
                    f"the file system of {path} can take {disk.inodes} more files",
                    matters="an image has hundreds: the disk is full with room left",
                    fix=f"see `df -i {path}`; old images and containers go with `docker system prune`",
                    host=name,
                )
            )
    return found


def _mega(size: int) -> str:
    return f"{size // MEGA} MB"


def clocks(fleet: Fleet, facts: FleetFacts) -> list[Finding]:
    readings = {name: m.clock for name, m in facts.machines.items() if m.clock is not None}
    if not readings:
        return []
    # Of two hosts neither is the right one; of three, two that agree are.
    middle = min(
        (r for r in readings.values() if r.ahead == median_low(r.ahead for r in readings.values())),
        key=lambda reading: reading.give,
    )
    found = []
    for name, reading in readings.items():
        skew = reading.ahead - middle.ahead
        if abs(skew) - reading.give - middle.give > SKEW_SECONDS:
            found.append(
                warning(
                    "resources.clock",
                    f"its clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the other hosts'",
                    matters="certificates are not valid yet, or no more (moby/moby#24078), and logs mislead",
                    fix="`timedatectl set-ntp true`, or chrony",
                    host=name,
                )
            )
    return found


def names(fleet: Fleet, facts: FleetFacts) -> list[Finding]:
    return [
        warning(
            "resources.own-name",
            f"it does not know its own name, {_own_name(facts, name)}",
            matters="sudo and the engine's gossip wait for an answer that never comes",
            fix=f"`echo 127.0.1.1 {quote(_own_name(facts, name))} >> /etc/hosts`",
            host=name,
        )
        for name, machine in facts.machines.items()
        if machine.names.knows_itself is False
    ]


def _own_name(facts: FleetFacts, name: str) -> str:
    return one_line(facts.hosts[name].identity.hostname, 64)
