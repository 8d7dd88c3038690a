"""TLS over any `Stream`, with a certificate that this end shows: to a store that lets in who has one."""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Callable
from typing import Any, TypeVar

from overweave.command import Secret
from overweave.ports import Stream

CHUNK = 1 << 16
T = TypeVar("T")


class TlsStream:
    """``identity``: this end's key, its certificate, and the authorities that it trusts, in PEM.

    The other end's name is not looked at: the stream was made on the very host. Raises `ssl.SSLError`, which
    is an `OSError`, where the other end is another one, or does not take the certificate.
    """

    def __init__(self, stream: Stream, identity: Secret, *, seconds: float) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        # Python takes a key from a file alone; it has a mode of 600.
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(identity.reveal())
            file.flush()
            context.load_cert_chain(file.name)
            context.load_verify_locations(file.name)
        self._stream = stream
        self._received, self._to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._received, self._to_send)
        stream.settimeout(seconds)
        try:
            self._turn(self._tls.do_handshake)
        except BaseException:
            stream.close()
            raise

    def sendall(self, data: bytes, /) -> None:
        self._turn(lambda: self._tls.write(data))

    def recv(self, size: int, /) -> bytes:
        try:
            return self._turn(lambda: self._tls.read(size))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""

    def _turn(self, act: Callable[[], T]) -> T:
        """Do something that may need more of what the other end sends, or have something for it."""
        while True:
            try:
                done = act()
            except ssl.SSLWantReadError:
                self._send()
                if data := self._stream.recv(CHUNK):
                    self._received.write(data)
                else:
                    self._received.write_eof()
            else:
                self._send()
                return done

    def _send(self) -> None:
        if self._to_send.pending:
            self._stream.sendall(self._to_send.read())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def settimeout(self, seconds: float | None, /) -> None:
        self._stream.settimeout(seconds)

    def close(self) -> None:
        self._stream.close()
