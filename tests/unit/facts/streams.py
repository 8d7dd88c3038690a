"""Streams to programs that say what they are given."""

from __future__ import annotations

from tests.contract.fakes import FakeClock

from overweave.model import Access, Host


class Said:
    """A stream that says these chunks; an exception among them is raised, and time passes in a timeout."""

    def __init__(self, chunks, clock, refuses=None):
        self.chunks, self.clock, self.refuses = iter(chunks), clock, refuses
        self.sent = b""
        self.open = True

    def settimeout(self, seconds):
        self.seconds = seconds

    def sendall(self, data):
        if self.refuses:
            raise self.refuses
        self.sent += data

    def recv(self, size):
        chunk = next(self.chunks, b"")
        if isinstance(chunk, TimeoutError):
            self.clock.now += self.seconds
        if isinstance(chunk, Exception):
            raise chunk
        return chunk

    def close(self):
        self.open = False
        if self.refuses:
            raise self.refuses


class Place:
    """A host whose program says what it is given. ``refuses``: raised when it is told something."""

    def __init__(self, *chunks, name="host1", refuses=None):
        self.host = Host(name, Access("10.0.0.1"))
        self.clock = FakeClock()
        self.said = Said(chunks, self.clock, refuses)

    def start(self, command):
        self.command = command
        return self.said
