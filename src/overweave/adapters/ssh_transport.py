"""A connection whose channels send nothing behind their own end.

paramiko makes a message under a channel's lock, and sends it when it has let go of it (paramiko#1115). So
what a thread is about to send may come behind the end of the channel, which paramiko's own thread sends when
the host has ended it. An sshd that is told something of a channel that is gone hangs up, and with it goes all
that ran over the connection. Seen with the end of input that each command gets: once in some hundred
deployments, on busy processors.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import paramiko
from paramiko.common import MSG_CHANNEL_CLOSE, MSG_CHANNEL_FAILURE


class OrderedChannel(paramiko.Channel):
    """What is being sent goes first, and the end behind it; nobody waits for a sender to send the end."""

    _sending: threading.Lock
    _ends: deque[paramiko.Message]

    @classmethod
    def of(cls, channel: paramiko.Channel) -> OrderedChannel:
        """The same channel; paramiko lets nobody choose the class of those that it opens."""
        channel._sending = threading.Lock()  # type: ignore[attr-defined]
        channel._ends = deque()  # type: ignore[attr-defined]
        channel.__class__ = cls
        assert isinstance(channel, cls)
        return channel

    def close(self) -> None:
        super().close()
        self._send_ends()

    def shutdown(self, how: int) -> None:
        with self._turn():
            super().shutdown(how)

    def _send(self, s: Any, m: paramiko.Message) -> int:
        with self._turn():
            return super()._send(s, m)  # type: ignore[misc,no-any-return]

    def _close_internal(self) -> tuple[()]:
        """Under the channel's lock. Its callers send what this returns, and that would be too early."""
        self._ends.extend(m for m in super()._close_internal() if m is not None)  # type: ignore[misc]
        return ()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        try:
            with self._sending:
                yield
        finally:
            self._send_ends()

    def _send_ends(self) -> None:
        """Unless somebody is sending, who does it then: a sender looks here when it is done."""
        while self._ends and self._sending.acquire(blocking=False):
            try:
                while self._ends:
                    self.transport._send_user_message(self._ends.popleft())  # type: ignore[union-attr]
            finally:
                self._sending.release()


def _with_ends(handler: Any) -> Any:
    def handle(channel: paramiko.Channel, message: paramiko.Message) -> None:
        handler(channel, message)
        if isinstance(channel, OrderedChannel):
            channel._send_ends()

    return handle


class OrderedTransport(paramiko.Transport):
    _channel_handler_table: ClassVar = paramiko.Transport._channel_handler_table | {  # type: ignore[attr-defined]
        MSG_CHANNEL_CLOSE: _with_ends(paramiko.Channel._handle_close),  # type: ignore[attr-defined]
        MSG_CHANNEL_FAILURE: _with_ends(paramiko.Channel._request_failed),  # type: ignore[attr-defined]
    }

    last_words = ""
    """Why the host hung up, where it said so."""

    def _parse_disconnect(self, m: paramiko.Message) -> None:
        m.get_int()
        self.last_words = m.get_text()
        m.rewind()
        super()._parse_disconnect(m)  # type: ignore[misc]

    def open_channel(self, *args: Any, **options: Any) -> paramiko.Channel:
        return OrderedChannel.of(super().open_channel(*args, **options))
