"""HTTP for requests over any `Stream`: the engine API and the store's API travel inside ssh with it."""

from __future__ import annotations

import contextlib
import queue
import time
from collections.abc import Callable, Iterator
from typing import Any

import paramiko
import requests.adapters
import urllib3
import urllib3.connection

from overweave.errors import ConnectionProblem, EngineError, StoreError
from overweave.ports import Record, Recorder, Stream

OpenStream = Callable[[], Stream]
ANSWER_LIMIT = 32 << 20
"""Bytes of one answer. An engine's list of a thousand images takes one of them."""


@contextlib.contextmanager
def recorded(record: Recorder, host: str, what: str) -> Iterator[None]:
    """Record a call of an API: how long it took, and how it ended."""
    started, outcome = time.monotonic(), "broke off"
    try:
        yield
        outcome = "done"
    except (EngineError, StoreError, ConnectionProblem) as e:
        status = e.status if isinstance(e, EngineError) else 0
        outcome = f"status {status}: {e.message}" if status else e.message
        raise
    finally:
        record(Record(host, what, time.monotonic() - started, outcome))


class EndlessAnswer(OSError):
    """More came than any answer has."""


class Bounded:
    """A stream as http.client wants it, that ends in `EndlessAnswer` rather than in a full memory."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.received = 0

    def recv(self, size: int, /) -> bytes:
        data = self._stream.recv(size)
        self.received += len(data)
        if self.received > ANSWER_LIMIT:
            raise EndlessAnswer(f"an answer of more than {ANSWER_LIMIT} bytes")
        return data

    def close(self) -> None:
        """What it runs in may have gone before: a pool's connections go when Python collects the pool."""
        with contextlib.suppress(EOFError, OSError):
            self._stream.close()

    def makefile(self, *arguments: Any) -> paramiko.ChannelFile:
        # It only receives and sends.
        return paramiko.ChannelFile(self, *arguments)  # type: ignore[arg-type]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Connection(urllib3.connection.HTTPConnection):
    def __init__(self, open_stream: OpenStream, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._open_stream = open_stream
        self._seconds = timeout

    def connect(self) -> None:
        stream = self._open_stream()
        stream.settimeout(self._seconds)
        self.sock = Bounded(stream)

    def putrequest(self, *arguments: Any, **more: Any) -> None:
        if isinstance(self.sock, Bounded):
            self.sock.received = 0
        super().putrequest(*arguments, **more)

    @property
    def dropped(self) -> bool:
        """The other end hung up, as what carries a stream does when its engine stops."""
        return self.sock is not None and (
            getattr(self.sock, "closed", False) or getattr(self.sock, "eof_received", False)
        )


class _Pool(urllib3.HTTPConnectionPool):
    def __init__(self, open_stream: OpenStream, timeout: float) -> None:
        super().__init__("localhost", maxsize=4)
        self._open_stream = open_stream
        self._seconds = timeout

    def fresh(self) -> _Pool:
        return _Pool(self._open_stream, self._seconds)

    def prepare(self) -> None:
        connection = self._get_conn()
        if connection.sock is None:
            connection.connect()
        self._put_conn(connection)

    def _new_conn(self) -> Any:
        return _Connection(self._open_stream, self._seconds)

    def _get_conn(self, timeout: float | None = None) -> Any:
        """As the parent's, whose check for dropped connections selects on a file descriptor."""
        try:
            connection = self.pool.get_nowait() if self.pool else None
        except queue.Empty:
            connection = None
        if connection is not None and connection.dropped:
            connection.close()
        return connection or self._new_conn()


class StreamAdapter(requests.adapters.HTTPAdapter):
    """Sends every request of a session over streams that ``open_stream`` makes, kept open between calls."""

    def __init__(self, open_stream: OpenStream, *, timeout: float) -> None:
        self._pool = _Pool(open_stream, timeout)
        super().__init__()

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        return self._pool

    def request_url(self, request: requests.PreparedRequest, proxies: Any) -> str:
        return str(request.path_url)

    def prepare(self) -> None:
        """Open a stream for the next request, unless one is kept already. Raises as ``open_stream`` does."""
        self._pool.prepare()

    def hang_up(self) -> None:
        """Close all kept connections; the next request makes a new one."""
        old, self._pool = self._pool, self._pool.fresh()
        old.close()

    def close(self) -> None:
        self._pool.close()
        super().close()
