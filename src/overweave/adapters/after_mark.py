"""What a program says, without what its login shell said before.

A shell's start-up files may print (a greeting in ~/.bashrc is enough), on the same stream and before the
program that was asked for. So the shell is made to say a mark first.
"""

from __future__ import annotations

from collections.abc import Callable
from secrets import token_hex

import paramiko

from overweave.errors import OverweaveError

NOISE_LIMIT = 1 << 16
"""Bytes of start-up noise that are waited through."""


def make_mark() -> str:
    """A line that a shell only says if it quotes as POSIX shells do; fish makes one backslash of two."""
    return rf"overweave-{token_hex(8)}\\"


def before_mark(data: bytes, mark: str) -> tuple[bytes, bytes | None]:
    """What came before the mark's line and what after it, None where there is no such line."""
    noise, found, rest = data.partition(f"{mark}\n".encode())
    return noise, rest if found else None


class AfterMark:
    """A channel as a socket whose first bytes are those behind the mark.

    Reading raises what ``without`` makes of the noise where the mark does not come.
    """

    def __init__(
        self, channel: paramiko.Channel, mark: str, without: Callable[[bytes], OverweaveError]
    ) -> None:
        self._channel = channel
        self._mark = mark
        self._without = without
        self._seen: bytes | None = b""
        self._rest = b""

    def await_mark(self) -> None:
        """Until the program runs. Raises as reading does."""
        while self._seen is not None:
            chunk = self._channel.recv(1 << 12)
            self._seen += chunk
            noise, rest = before_mark(self._seen, self._mark)
            if rest is not None:
                self._seen, self._rest = None, rest
            elif not chunk or len(self._seen) > NOISE_LIMIT:
                raise self._without(noise)

    def recv(self, size: int, /) -> bytes:
        self.await_mark()
        if self._rest:
            piece, self._rest = self._rest[:size], self._rest[size:]
            return piece
        return self._channel.recv(size)

    def sendall(self, data: bytes, /) -> None:
        self._channel.sendall(data)

    def settimeout(self, seconds: float | None, /) -> None:
        self._channel.settimeout(seconds)

    def close(self) -> None:
        self._channel.close()

    @property
    def closed(self) -> bool:
        return self._channel.closed

    @property
    def eof_received(self) -> bool:
        return bool(self._channel.eof_received) and not self._rest
