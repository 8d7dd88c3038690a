"""What preflight wants to know of a host's kernel, firewall, disks and clock, and of nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from overweave.command import Query
from overweave.ports import Clock, Reader

from . import clock as clocks
from . import disks, firewall, kernel, names, services
from .clock import Reading
from .disks import Disk
from .engine import Engine
from .firewall import Firewall
from .host import HostFacts
from .kernel import Kernel
from .names import Names
from .services import Service


@dataclass(frozen=True)
class Machine:
    """Facts of one host that only preflight asks for. ``clock`` is None where the host tells no time."""

    kernel: Kernel
    firewall: Firewall
    disks: tuple[Disk, ...]
    clock: Reading | None
    names: Names
    services: tuple[Service, ...]

    def disk(self, path: str) -> Disk | None:
        return next((disk for disk in self.disks if disk.path == path), None)


def root_of(its: HostFacts) -> str:
    """Where a host's engine keeps its images."""
    return (its.engine.root if isinstance(its.engine, Engine) else "") or "/var/lib/docker"


def look(reader: Reader, its: HostFacts, *, clock: Clock) -> Machine:
    """One round trip. ``its`` are the host's facts. Raises `ConnectionProblem` where it can't be asked."""
    carrying = [i.name for i in its.interfaces.all if i.addresses and not i.is_dockers]
    parts: tuple[Sequence[Query], ...] = (
        clocks.QUERIES,
        kernel.queries(carrying),
        firewall.QUERIES,
        disks.queries(root_of(its)),
        names.QUERIES,
        services.QUERIES,
    )
    asked = clock.monotonic()
    answers = iter(reader.ask(*(query for part in parts for query in part)))
    answered = clock.monotonic()
    of_clock, of_kernel, of_firewall, of_disks, of_names, of_services = (
        [next(answers) for _ in part] for part in parts
    )
    return Machine(
        kernel=kernel.parse(of_kernel),
        firewall=firewall.parse(of_firewall),
        disks=disks.parse(of_disks),
        clock=clocks.parse(of_clock, asked, answered),
        names=names.parse(of_names),
        services=services.parse(of_services),
    )
