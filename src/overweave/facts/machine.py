"""What preflight wants to know of a host's kernel, firewall, disks and clock, and of nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from overweave.ports import Reader


@dataclass(frozen=True)
class Machine:
    """Facts of one host that only preflight asks for."""


def look(reader: Reader) -> Machine:
    """Raises `ConnectionProblem` where the host can't be asked."""
    return Machine()
