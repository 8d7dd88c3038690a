"""One packet on the wire: on which interfaces of which namespaces an echo with a token is seen, and when.

A program in each namespace sees all of its interfaces. It ends with its stream.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from overweave.errors import Refused
from overweave.fleet import Cancel, each
from overweave.ports import Clock, Reader
from overweave.printable import one_line

from .remote_program import Program

SECONDS = 30
"""A program ends by itself then, whatever becomes of the operator's machine and of the connection."""
READY_SECONDS, BYE_SECONDS = 5.0, 3.0
LIMIT = 1 << 20
"""Bytes of one program that are read: five hundred lines need a tenth of it."""
ROLE = "capture"
NO_PERL = "no perl"


@dataclass(frozen=True)
class Place:
    """A namespace to watch: ``path`` leads to it on the host, ``inode`` tells it from others."""

    host: str
    path: str
    inode: int


@dataclass(frozen=True)
class Sight:
    """The packet on an interface: ``index`` is that of the link in its namespace. ``seconds`` are of the
    host's clock, ``length`` is the inner packet's in bytes. ``outer_from``, ``outer_to`` and ``vni`` are of
    the VXLAN packet around it; "" and 0 where there is none."""

    place: Place
    index: int
    outgoing: bool
    reply: bool
    seconds: float
    length: int
    ttl: int
    source: str
    target: str
    outer_from: str = ""
    outer_to: str = ""
    vni: int = 0


@dataclass(frozen=True)
class Capture:
    """``failed`` are namespaces that could not be watched, and why."""

    sights: tuple[Sight, ...]
    failed: Mapping[Place, str] = field(default_factory=dict)

    def seen(self, place: Place, index: int, *, reply: bool) -> tuple[Sight, ...]:
        return tuple(s for s in self.sights if (s.place, s.index, s.reply) == (place, index, reply))


class Report:
    """What one program told so far."""

    def __init__(self, place: Place, token: str) -> None:
        self.place = place
        self.said: set[str] = set()
        self.failed = ""
        self.sights: list[Sight] = []
        self._token = token

    def line(self, data: bytes) -> None:
        """Take in a line. One that makes no sense is as good as none."""
        token, _, rest = data.decode(errors="replace").strip().partition(" ")
        if token != self._token:
            return
        if rest == f"{ROLE} missing perl":
            self.failed = NO_PERL
        elif rest in ("ready", "bye"):
            self.said.add(rest)
        elif rest.startswith("failed "):
            self.failed = one_line(rest.removeprefix("failed "), 200)
        elif found := _SAW.fullmatch(rest):
            outer = found["outer_from"] != "-"
            self.sights.append(
                Sight(
                    place=self.place,
                    index=int(found["index"]),
                    outgoing=found["way"] == "out",
                    reply=found["what"] == "reply",
                    seconds=float(found["seconds"]),
                    length=int(found["length"]),
                    ttl=int(found["ttl"]),
                    source=found["source"],
                    target=found["target"],
                    outer_from=found["outer_from"] if outer else "",
                    outer_to=found["outer_to"] if outer else "",
                    vni=int(found["vni"]) if outer else 0,
                )
            )


_ADDRESS = r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}"
_SAW = re.compile(
    r"saw (?P<index>[0-9]{1,9}) (?P<way>in|out) (?P<what>request|reply) (?P<seconds>[0-9]{1,12}\.[0-9]{6}) "
    rf"(?P<length>[0-9]{{1,5}}) (?P<ttl>[0-9]{{1,3}}) (?P<source>{_ADDRESS}) (?P<target>{_ADDRESS}) "
    rf"(?P<outer_from>-|{_ADDRESS}) (?P<outer_to>-|{_ADDRESS}) [0-9]{{1,3}} (?P<vni>[0-9]{{1,8}})"
)


def watch(
    readers: Mapping[str, Reader],
    places: tuple[Place, ...],
    during: Callable[[], None],
    *,
    token: str,
    port: int,
    clock: Clock,
    cancel: Cancel,
) -> Capture:
    """Watch all places while ``during`` runs. ``port`` is VXLAN's (UDP).

    Raises `Refused` where a host has no perl, and `ConnectionProblem`.
    """
    reports = {place: Report(place, token) for place in places}
    programs: dict[Place, Program[Report]] = {}

    def start(place: Place) -> None:
        its = reports[place]
        words = (ROLE, token, str(port), str(SECONDS))
        programs[place] = Program(
            readers[place.host], "trace-capture.pl", words, its, limit=LIMIT, namespace=place.path
        )
        programs[place].listen(
            lambda said: "ready" in said.said or bool(said.failed), READY_SECONDS, clock, cancel
        )
        if its.failed == NO_PERL:
            raise Refused(
                "there is no perl, and --capture watches the packets with it",
                host=place.host,
                hint="install perl-base, or leave out --capture",
            )
        if "ready" not in its.said:
            its.failed = its.failed or "the program that watches did not start"

    def stop(place: Place) -> None:
        if not reports[place].failed:
            programs[place].tell(["end"])
            programs[place].listen(lambda said: "bye" in said.said, BYE_SECONDS, clock, cancel)

    try:
        each(places, start, cancel=cancel).all()
        during()
        each(places, stop, cancel=cancel).all()
    finally:
        for program in programs.values():
            program.close()
    return Capture(
        tuple(sight for its in reports.values() for sight in its.sights),
        {place: its.failed for place, its in reports.items() if its.failed},
    )
