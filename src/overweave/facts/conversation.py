"""A program on a host that lives as long as its stream: lines to it, and lines of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable

from overweave.command import Query
from overweave.errors import ConnectionProblem
from overweave.fleet import Cancel
from overweave.ports import Clock, Reader, Stream

TICK = 0.25


class Conversation:
    """``line`` is given each line that the program prints. Not to be used by two threads at once."""

    def __init__(self, reader: Reader, program: Query, line: Callable[[bytes], None], *, limit: int) -> None:
        """Start the program, and read ``limit`` bytes of it at the most. Raises `ConnectionProblem`."""
        self._host = reader.host.name
        self._line = line
        self._limit = limit
        self._data = bytearray()
        self.read = 0
        self.ended = False
        self._stream: Stream = reader.start(program)

    def tell(self, lines: Iterable[str]) -> None:
        """Send lines. One that can't be sent is seen as the end of what the host says."""
        with contextlib.suppress(OSError, EOFError):
            self._stream.sendall("".join(f"{line}\n" for line in lines).encode())

    def listen(self, until: Callable[[], bool], seconds: float, clock: Clock, cancel: Cancel) -> bool:
        """Read until it is so, ``seconds`` have passed, or the program has ended.

        Raises `Interrupted`, and `ConnectionProblem` where the connection breaks off.
        """
        deadline = clock.monotonic() + seconds
        while not until():
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
            self.read += len(chunk)
            self.ended = not chunk or self.read > self._limit
            self._data += chunk
            *lines, self._data = self._data.split(b"\n")
            for line in lines:
                self._line(bytes(line))
        return True

    def close(self) -> None:
        """End the program, and with it everything that it opened."""
        with contextlib.suppress(OSError, EOFError):
            self._stream.close()
