"""The way of a packet as values: hops in their order, what each shows, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum

from overweave.facts.echo import Echo


class Kind(StrEnum):
    """What a hop is."""

    CONTAINER = "container"
    INTERFACE = "interface"
    VETH = "veth"
    BRIDGE = "bridge"
    VXLAN = "vxlan"
    NEIGHBOUR = "neighbour row"
    FORWARDING = "forwarding row"
    UNDERLAY = "underlay"


@dataclass(frozen=True)
class Network:
    """The one that two containers share. ``driver`` is ``overlay``, ``bridge``, or what else it is."""

    name: str
    id: str
    driver: str


@dataclass(frozen=True)
class Space:
    """A network namespace: ``name`` as people say it, ``path`` leads to it on the host ("" is the host's
    own), ``inode`` tells it from others (0 where it could not be looked at)."""

    host: str
    name: str
    path: str
    inode: int


@dataclass(frozen=True)
class Problem:
    """``fix`` is the command or the change that mends it."""

    seen: str
    fix: str


@dataclass(frozen=True)
class Seen:
    """What a capture saw at a hop: how many different requests and replies; ``after`` is the time since the
    first request on this host, in milliseconds; ``outer`` are the addresses and the VNI around them."""

    requests: int
    replies: int
    request_after: float | None
    reply_after: float | None
    length: int
    ttl: int
    outer: str = ""


@dataclass(frozen=True)
class Hop:
    """``what`` says in half a sentence what such a thing is for; ``shows`` are its addresses and its state.

    ``index`` is that of the link, for a capture; 0 for what is none. ``mtu`` in bytes, 0 where it has none;
    ``overhead`` is what is around a packet there.
    """

    kind: Kind
    space: Space
    name: str
    what: str
    shows: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    index: int = 0
    mtu: int = 0
    overhead: int = 0
    seen: Seen | None = None

    @property
    def ok(self) -> bool:
        return not self.problems

    @property
    def wire(self) -> bool:
        """Whether a capture can see packets here: a bridge forwards past its own device."""
        return self.index > 0 and self.kind not in (Kind.BRIDGE, Kind.NEIGHBOUR, Kind.FORWARDING)

    @property
    def where(self) -> str:
        return f"{self.space.host}, {self.space.name}: {self.kind} {self.name}"

    def with_problem(self, problem: Problem) -> Hop:
        return replace(self, problems=(*self.problems, problem))


@dataclass(frozen=True)
class Way:
    """From ``source`` to ``target``, containers as ``NAME on HOST``; ``echo`` is None where none was sent."""

    source: str
    target: str
    address: str
    hops: tuple[Hop, ...]
    echo: Echo | None = None

    @property
    def broken(self) -> Hop | None:
        """The first hop with a problem."""
        return next((hop for hop in self.hops if not hop.ok), None)

    @property
    def arrives(self) -> bool:
        return self.echo is not None and self.echo.whole


@dataclass(frozen=True)
class Stopped:
    """Why there is no way: ``seen`` and the remedy, and the networks that each of the two has."""

    seen: str
    fix: str
    networks: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Trace:
    """``there`` and ``back`` are None where there is no way, and ``stopped`` says why. ``notes`` are worth
    knowing and break nothing. ``captured``: the packets on the way there were watched."""

    source: str
    target: str
    network: str = ""
    driver: str = ""
    there: Way | None = None
    back: Way | None = None
    stopped: Stopped | None = None
    notes: tuple[str, ...] = field(default=())
    captured: bool = False

    @property
    def ways(self) -> Iterator[Way]:
        yield from (way for way in (self.there, self.back) if way is not None)

    @property
    def broken(self) -> Hop | None:
        """The first broken hop, of the way there before that back."""
        return next((way.broken for way in self.ways if way.broken), None)

    @property
    def arrives(self) -> bool:
        """Real packets of every size were answered, in both directions."""
        ways = tuple(self.ways)
        return self.stopped is None and bool(ways) and all(way.arrives for way in ways)

    @property
    def ok(self) -> bool:
        return self.arrives and self.broken is None
