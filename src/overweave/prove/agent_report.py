"""What one end of a proof tells (templates/proof-agent.pl), read from lines that nobody vouches for."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from overweave.printable import one_line

from .matrix import Verdict

ROLE = "proof"
READY, LIGHT, HEAVY, BYE = "ready", "light-done", "heavy-done", "bye"
LIMIT = 4 << 20
"""Bytes of one host that are read: 1000 peers need a tenth of it."""
WORDS = {
    "ECONNREFUSED": "refused",
    "EHOSTUNREACH": "no route to it, or no neighbour row",
    "ENETUNREACH": "no route to it",
    "ETIMEDOUT": "no answer",
    "ECONNRESET": "reset",
    "EPERM": "a firewall on the way out forbids it",
}
RCODES = {"rcode 3": "no such name", "rcode 2": "the resolver failed", "rcode 5": "refused"}


@dataclass
class AgentReport:
    """Everything that one host said so far. Peers go by number; those that don't exist are not looked up.

    ``ports`` are those that it listens on, TCP and UDP, (0, 0) until it is ready; ``came`` counts datagrams
    by the number of their sender; ``failed`` says why it can't take part.
    """

    token: str
    ports: tuple[int, int] = (0, 0)
    said: set[str] = field(default_factory=set)
    failed: str = ""
    no_perl: bool = False
    answers: dict[tuple[str, int], tuple[str, ...]] = field(default_factory=dict)
    came: dict[int, int] = field(default_factory=dict)
    reached: set[int] = field(default_factory=set)

    def line(self, data: bytes) -> None:
        """Take in a line. One that makes no sense is as good as none: what it told is not known then."""
        words = data.decode(errors="replace").split()
        if len(words) < 3 or words[:2] != [self.token, ROLE]:
            return
        what, rest = words[2], " ".join(words[3:])
        if what in (LIGHT, HEAVY, BYE):
            self.said.add(what)
        elif what == "failed":
            self.failed = one_line(rest, 100) or "it gave no reason"
        elif what == "missing":
            self.no_perl = True
        elif found := SHAPES.get(what, NOTHING).fullmatch(rest):
            self._take(what, found.groups())

    def _take(self, what: str, words: tuple[str, ...]) -> None:
        first = int(words[0])
        if what == READY:
            ports = (first, int(words[1]))
            if all(0 < port < 1 << 16 for port in ports):
                self.said.add(READY)
                self.ports = ports
        elif what == "came":
            self.came[first] = int(words[1])
        elif what == "reached":
            self.reached.add(first)
        else:
            self.answers[what, first] = words[1:]

    def verdict(self, check: str, peer: int, *, address: str, mtu: int, payload: int) -> Verdict | None:
        """Of a check that this end makes of a peer; None where it said nothing. ``address`` is the peer's."""
        words = self.answers.get((check, peer))
        if words is None:
            return None
        match check:
            case "dns":
                return Verdict(words[0] == address, RCODES.get(words[0]) or _told(words[0]))
            case "icmp":
                return _echoes(*words)
            case "mtu":
                return Verdict(words[0] == "1", str(mtu) if words[0] == "1" else _no_reply(mtu))
            case "connect":
                trip = None if words[0].startswith("E") else float(words[0])
                return Verdict(trip is not None, _told(words[0]) if trip is None else f"{trip:g} ms", trip)
            case _:
                return Verdict(words[0] == "ok", str(payload) if words[0] == "ok" else _told(words[0]))


def _echoes(sent: str, answered: str, trip: str, error: str) -> Verdict:
    went, came = int(sent), int(answered)
    if trip == "-" or not came or not went:
        why = f"no reply to {went} pings" if error == "-" else _told(error)
        return Verdict(False, why, None, 1.0)
    lost = max(0.0, 1 - came / went)
    detail = f"{float(trip):.3g} ms" + (f", {lost:.0%} lost" if lost else "")
    return Verdict(True, detail, float(trip), lost)


def _no_reply(mtu: int) -> str:
    return f"no reply to a packet of {mtu} bytes"


def _told(error: str) -> str:
    return WORDS.get(error, error)


# [0-9] and not \d, which would let other scripts' digits pass.
_PEER = r"([0-9]{1,6})"
_ERRNO = r"E[A-Z0-9]{1,20}"
SHAPES = {
    READY: re.compile(r"([0-9]{1,5}) ([0-9]{1,5})"),
    "dns": re.compile(rf"{_PEER} ([0-9.]{{7,15}}|rcode [0-9]{{1,2}}|no address|no answer|{_ERRNO})"),
    "icmp": re.compile(rf"{_PEER} ([0-9]{{1,4}}) ([0-9]{{1,4}}) (-|[0-9]{{1,6}}\.[0-9]{{1,6}}) (-|{_ERRNO})"),
    "mtu": re.compile(rf"{_PEER} ([01])"),
    "connect": re.compile(rf"{_PEER} ([0-9]{{1,6}}\.[0-9]{{1,6}}|{_ERRNO})"),
    "tcp": re.compile(
        rf"{_PEER} (ok|no connection|closed|other bytes came|stalled after [0-9]{{1,10}} bytes|{_ERRNO})"
    ),
    "came": re.compile(rf"{_PEER} ([0-9]{{1,3}})"),
    "reached": re.compile(_PEER),
}
NOTHING = re.compile(r"(?!)")
