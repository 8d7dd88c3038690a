"""A program of ours on a host, in Perl, and the conversation with it: it lives as long as its stream."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from typing import Generic, Protocol, TypeVar

from overweave.command import query_script
from overweave.errors import ConnectionProblem
from overweave.fleet import Cancel
from overweave.ports import Clock, Reader, Stream
from overweave.render import script

TICK, SEND_SECONDS = 0.25, 10.0
PERL = """\
command -v perl >/dev/null || { echo "$4 $3 missing perl"; exec cat >/dev/null; }
ns=$1 && shift
[ "$ns" ] || exec perl -e "$1" "$@"
exec nsenter --net="$ns" perl -e "$1" "$@"
"""


class Report(Protocol):
    """What a program has said so far."""

    def line(self, data: bytes, /) -> None:
        """Take in a line. Raises nothing: nobody vouches for it."""


R = TypeVar("R", bound=Report)


class Program(Generic[R]):
    """Not to be used by two threads at once. ``report`` is told every line."""

    def __init__(
        self,
        reader: Reader,
        name: str,
        words: Iterable[str],
        report: R,
        *,
        limit: int,
        namespace: str = "",
    ) -> None:
        """Start ``templates/<name>``, in the network namespace at the path ``namespace`` ("" for the host's).

        ``words`` are its arguments behind its own text: first its role, then the run's token. At most
        ``limit`` bytes of what it prints are read. A host without Perl says ``TOKEN ROLE missing perl``.
        Raises `ConnectionProblem`.
        """
        self.ended = False
        self.report = report
        self._limit = limit
        self._host = reader.host.name
        self._data = bytearray()
        self._read = 0
        text = script("agent-base.pl") + script(name)
        self._stream: Stream = reader.start(query_script(PERL, namespace, text, *words))

    def tell(self, lines: Iterable[str]) -> None:
        """Send lines. One that can't be sent is seen as the end of what the host says."""
        with contextlib.suppress(OSError, EOFError):
            self._stream.settimeout(SEND_SECONDS)
            self._stream.sendall("".join(f"{line}\n" for line in lines).encode())

    def listen(self, until: Callable[[R], bool], seconds: float, clock: Clock, cancel: Cancel) -> bool:
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
                raise ConnectionProblem(
                    f"the measurement broke off: {e}",
                    host=self._host,
                    hint="is the host up? Then run the same command again",
                ) from e
            self._read += len(chunk)
            self.ended = not chunk or self._read > self._limit
            self._data += chunk
            *lines, self._data = self._data.split(b"\n")
            for line in lines:
                self.report.line(bytes(line))
        return True

    def close(self) -> None:
        """End the program, and with it everything that it opened."""
        with contextlib.suppress(OSError, EOFError):
            self._stream.close()
