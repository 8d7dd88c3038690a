"""The conversation with one end of a measurement: a program on a host that lives as long as its stream."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from overweave.command import query_script
from overweave.errors import ConnectionProblem
from overweave.fleet import Cancel
from overweave.ports import Clock, Reader, Stream
from overweave.render import script

from .pair_report import HOST, LIMIT, Report

SECONDS = 20
"""The program ends by itself then, whatever becomes of the operator's machine and of the connection."""
TICK = 0.25
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
        self._host = reader.host.name
        self._data = bytearray()
        self._read = 0
        self.ended = False
        words = (HOST, token, str(end.number), end.address, str(vni), str(mtu), str(SECONDS))
        self._stream: Stream = reader.start(query_script(PERL, script("pair-agent.pl"), *words))

    def tell(self, lines: Iterable[str]) -> None:
        """Send lines. One that can't be sent is seen as the end of what the host says."""
        with contextlib.suppress(OSError, EOFError):
            self._stream.sendall("".join(f"{line}\n" for line in lines).encode())

    def listen(self, until: Callable[[Report], bool], seconds: float, clock: Clock, cancel: Cancel) -> bool:
        """Read until the report is so, ``seconds`` have passed, or the program has ended.

        Raises `Interrupted`, and `ConnectionProblem` where the connection breaks off.
        """
        deadline = clock.monotonic() + seconds
        while not until(self.report):
            cancel.check()
            left = deadline - clock.monotonic()
            if self.ended or left <= 0:
                return False
            self._stream.settimeout(min(TICK, left))
            try:
                chunk = self._stream.recv(1 << 16)
            except TimeoutError:
                continue
            except (OSError, EOFError) as e:
                raise ConnectionProblem(f"the measurement broke off: {e}", host=self._host) from e
            self._read += len(chunk)
            self.ended = not chunk or self._read > LIMIT
            self._data += chunk
            *lines, self._data = self._data.split(b"\n")
            for line in lines:
                self.report.line(bytes(line))
        return True

    def close(self) -> None:
        """End the program, and with it everything that it opened."""
        with contextlib.suppress(OSError, EOFError):
            self._stream.close()
