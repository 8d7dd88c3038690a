"""The conversation with one end of a measurement between hosts (templates/pair-agent.pl)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from overweave.fleet import Cancel
from overweave.ports import Clock, Reader

from .pair_report import HOST, LIMIT, Report
from .remote_program import Program

SECONDS = 20
"""The program ends by itself then, whatever becomes of the operator's machine and of the connection."""


@dataclass(frozen=True)
class End:
    """``number`` tells a host from the others in packets; ``address`` is the one that it advertises."""

    number: int
    address: str


class Agent:
    """Not to be used by two threads at once."""

    def __init__(self, reader: Reader, end: End, *, token: str, vni: int, mtu: int) -> None:
        """Start the program. Raises `ConnectionProblem`."""
        self.report = Report(token)
        words = (HOST, token, str(end.number), end.address, str(vni), str(mtu), str(SECONDS))
        self._program = Program(reader, "pair-agent.pl", words, take=self.report.line, limit=LIMIT)

    @property
    def ended(self) -> bool:
        return self._program.ended

    def tell(self, lines: Iterable[str]) -> None:
        self._program.tell(lines)

    def listen(self, until: Callable[[Report], bool], seconds: float, clock: Clock, cancel: Cancel) -> bool:
        """As `Program.listen`."""
        return self._program.listen(lambda: until(self.report), seconds, clock, cancel)

    def close(self) -> None:
        self._program.close()
