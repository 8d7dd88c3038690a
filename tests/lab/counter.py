"""A counter in a real Redis on the overlay, and clients on other hosts: what a fault costs those who use it.

Every client counts in a key of its own, so a value that does not follow the one before it is a lost write.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from tests.lab.bed import Bed

from overweave.lab.waiting import wait_for

SERVER = "counter"
"""Name of the server's container, by which the clients reach it."""
WAYS = ("kept", "anew")
"""How a client is connected: as long as that lives, or anew for each increment."""
PAUSE = 0.05
PROGRAM = Path(__file__).with_name("counter.pl")
SECONDS = 30


@dataclass(frozen=True)
class Figures:
    """``lost`` are increments that the server had acknowledged and does not have. ``unanswered`` were given
    up: nobody knows whether they were made. ``longest`` is the longest time without an acknowledged
    increment, in seconds."""

    acknowledged: int
    lost: int
    unanswered: int
    longest: float
    connections: int

    def __add__(self, other: Figures) -> Figures:
        return Figures(
            self.acknowledged + other.acknowledged,
            self.lost + other.lost,
            self.unanswered + other.unanswered,
            max(self.longest, other.longest),
            self.connections + other.connections,
        )


def figures(notes: Iterable[str], stored: int, since: float, until: float) -> Figures:
    """What the notes of a client say of the time between two times, in seconds since 1970.

    ``stored`` is the server's value at the end. Lost is what is lost ever, and the time from the last
    acknowledged increment to the end counts, too. Raises `ValueError` for what is no client's note.
    """
    acknowledged: list[float] = []
    before = lost = unanswered = connections = 0
    for note in notes:
        stamp, _, what = note.partition(" ")
        inside = since <= float(stamp) <= until
        if what.startswith("!"):
            unanswered += inside
        elif what == "+":
            connections += inside
        else:
            value = int(what)
            lost += max(0, before + 1 - value)
            before = value
            if inside:
                acknowledged.append(float(stamp))
    lost += max(0, before - stored)
    times = [since, *acknowledged, until]
    longest = max(b - a for a, b in pairwise(times))
    return Figures(len(acknowledged), lost, unanswered, longest, connections)


@dataclass(frozen=True)
class Counter:
    """``clients`` are their containers, each with its host."""

    bed: Bed
    server: str
    clients: Mapping[str, str]

    def notes(self, client: str) -> Sequence[str]:
        """All that a client has noted, the last line only if it is whole."""
        with closing(self.bed.at(self.clients[client])) as engine:
            said: str = engine.logs(client, stderr=False).decode()
        return said[: said.rfind("\n") + 1].splitlines()

    def stored(self, client: str) -> int:
        """The server's value for a client, which is at least what it has acknowledged to it by now."""
        return int(self.bed.do(self.server, f"docker exec {SERVER} redis-cli get {client}") or 0)

    def figures(self, since: float, *, of: str = "") -> Figures:
        """Of all clients from a time in seconds since 1970 until now; ``of``: only those of one of `WAYS`."""
        until = time.time()
        found = [
            figures(self.notes(client), self.stored(client), since, until)
            for client in self.clients
            if client.endswith(of)
        ]
        return sum(found[1:], start=found[0])

    def wait(self) -> None:
        """Return when every client counts. Raises `DeadlineExceeded`."""
        begun = time.time()

        def counts(client: str) -> bool:
            *_, last = [n for n in self.notes(client) if n.partition(" ")[2].isdigit()] or ["0 0"]
            return float(last.partition(" ")[0]) > begun

        wait_for(lambda: all(map(counts, self.clients)), SECONDS, "an increment of every client")


@contextmanager
def counting(
    bed: Bed, server: str, clients: Iterable[str], *, ways: Sequence[str] = WAYS, wait: bool = True
) -> Iterator[Counter]:
    """A server on one host and a client of each way on others, which count from here on if ``wait``.

    All come back after a reboot, and the server never forgets what it has acknowledged.
    """
    names = {f"count-{host}-{way}": host for host in clients for way in ways}
    image, archive = next(
        (name, path) for name, path in bed.wanted()["images"]["archives"].items() if name.startswith("redis:")
    )
    content = Path(archive).read_bytes()
    run = "docker run -d --restart always --network overweave"
    durable = "redis-server --dir /data --protected-mode no --save '' --appendonly yes --appendfsync always"
    hosts = dict.fromkeys((server, *names.values()))
    counter = Counter(bed, server, names)
    try:
        for host in hosts:
            assert bed.lab.host(host).run(("docker", "load"), stdin=content).ok
        bed.do(server, f"{run} --name {SERVER} -v {SERVER}:/data {image} {durable}")
        for name, host in names.items():
            # A question that is lost must not look like a connection that is.
            resolver = "--dns-opt timeout:1 --dns-opt attempts:2"
            words = ("perl", "-e", PROGRAM.read_text(), SERVER, name, str(PAUSE), name.rpartition("-")[2])
            bed.do(host, f"{run} {resolver} --name {name} {image} {shlex.join(words)}")
        if wait:
            counter.wait()
        yield counter
    finally:
        remove = "docker ps -aq --filter name=^count | xargs -r docker rm -fv"
        for host in hosts:
            if bed.lab.host(host).running:
                bed.do(host, f"{remove}; docker volume rm -f {SERVER}; docker rmi -f {image}")
