"""The conversation with one end of a measurement: a program on a host that lives as long as its stream."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from overweave.command import query_script
from overweave.fleet import Cancel
from overweave.ports import Clock, Reader
from overweave.render import script

from .conversation import Conversation
from .pair_report import HOST, LIMIT, Report

SECONDS = 20
"""The program ends by itself then, whatever becomes of the operator's machine and of the connection."""
PERL = """\
command -v perl >/dev/null && exec perl -e "$1" "$@"
echo "$3 host missing perl"
exec cat >/dev/null
"""


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
        program = query_script(PERL, script("pair-agent.pl"), *words)
        self.conversation = Conversation(reader, program, self.report.line, limit=LIMIT)

    @property
    def ended(self) -> bool:
        return self.conversation.ended

    def tell(self, lines: Iterable[str]) -> None:
        """Send lines. One that can't be sent is seen as the end of what the host says."""
        self.conversation.tell(lines)

    def listen(self, until: Callable[[Report], bool], seconds: float, clock: Clock, cancel: Cancel) -> bool:
        """As `Conversation.listen`."""
        return self.conversation.listen(lambda: until(self.report), seconds, clock, cancel)

    def close(self) -> None:
        """End the program, and with it everything that it opened."""
        self.conversation.close()
