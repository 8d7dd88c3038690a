"""One end of a measurement of paths: templates/pair-agent.pl on a host."""

from __future__ import annotations

from dataclasses import dataclass

from overweave.ports import Reader

from .conversation import Conversation, perl
from .pair_report import HOST, LIMIT, Report

SECONDS = 20
"""The program ends by itself then, whatever becomes of the operator's machine and of the connection."""


@dataclass(frozen=True)
class End:
    """``number`` tells a host from the others in packets; ``address`` is the one that it advertises."""

    number: int
    address: str


class Agent(Conversation[Report]):
    """Not to be used by two threads at once."""

    def __init__(self, reader: Reader, end: End, *, token: str, vni: int, mtu: int) -> None:
        """Start the program. Raises `ConnectionProblem`."""
        words = (HOST, token, str(end.number), end.address, str(vni), str(mtu), str(SECONDS))
        super().__init__(reader, perl("pair-agent.pl", *words), Report(token), limit=LIMIT)
