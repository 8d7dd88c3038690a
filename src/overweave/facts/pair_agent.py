"""The conversation with one end of a measurement between hosts (templates/pair-agent.pl)."""

from __future__ import annotations

from dataclasses import dataclass

from overweave.ports import Reader

from .pair_report import HOST, LIMIT, Report
from .remote_program import Program

SECONDS = 20
"""The program ends by itself then, whatever becomes of the operator's machine and of the connection."""


@dataclass(frozen=True)
class End:
    """``number`` tells a host from the others in packets; ``address`` is the one that it advertises."""

    number: int
    address: str


class Agent(Program[Report]):
    """Not to be used by two threads at once."""

    def __init__(self, reader: Reader, end: End, *, token: str, vni: int, mtu: int, vxlan: int) -> None:
        """Start the program; ``vxlan`` is the port of its frames (UDP). Raises `ConnectionProblem`."""
        words = (HOST, token, str(end.number), end.address, str(vni), str(mtu), str(vxlan), str(SECONDS))
        super().__init__(reader, "pair-agent.pl", words, Report(token), limit=LIMIT)
