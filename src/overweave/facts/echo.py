"""Real packets between two containers: echo requests from the network namespace of one of them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from overweave.command import Query, Result, query_script
from overweave.render import script

SMALL = 84
"""Bytes of a small request with its IP header."""
# The program of the host runs in the container's network, so the image may be empty. nsenter comes with
# util-linux, ping often with nothing.
_ECHO = """\
if command -v perl >/dev/null; then exec nsenter --net="$1" perl -e "$2" "$3" "$4" "$5"; fi
command -v ping >/dev/null || { echo "$3 missing"; exit; }
ask() { nsenter --net="$1" ping -n -W 1 -c "$2" -i 0.2 -M do -s "$3" "$4" 2>/dev/null; }
counts='s/^\\([0-9]* packets transmitted, [0-9]* \\).*/\\1/p; s,^r[^=]*= \\([0-9.]*\\)/.*,\\1,p'
tell() { printf '%s ping %s %s\\n' "$1" "$2" "$(sed -n "$counts" | tr '\\n' ' ')"; }
ask "$1" 3 56 "$4" | tell "$3" small
ask "$1" 1 "$(($5 - 28))" "$4" | tell "$3" full
"""
UNREACHABLE = {
    (3, 0): "network unreachable",
    (3, 1): "host unreachable: nobody answers ARP for the address",
    (3, 3): "port unreachable",
    (3, 4): "the packet is too large",
    (3, 9): "prohibited by a firewall",
    (3, 10): "prohibited by a firewall",
    (3, 13): "prohibited by a firewall",
    (11, 0): "TTL exceeded: it went in circles",
}
"""ICMP messages by type and code."""


@dataclass(frozen=True)
class Count:
    """``milliseconds`` is the shortest round trip, ``errno`` by name why a request could not be sent."""

    sent: int
    answered: int
    milliseconds: float | None = None
    errno: str = ""


@dataclass(frozen=True)
class Echo:
    """Echo requests one way, with their replies the other way. ``full`` are those of ``size`` bytes that
    must not be cut up. ``refusals`` say who refused them and why; ``problem`` says why nothing was sent."""

    small: Count
    full: Count
    size: int
    refusals: tuple[str, ...] = ()
    problem: str = ""

    @property
    def answered(self) -> bool:
        return self.small.answered > 0

    @property
    def whole(self) -> bool:
        """Whether the large ones are answered too."""
        return self.answered and self.full.answered > 0


def ask(sandbox: str, address: str, *, size: int, token: str) -> Query:
    """``sandbox`` is the path of the namespace to send from, ``size`` that of the largest packet in bytes,
    ``token`` 16 hex digits that the packets carry."""
    text = script("agent-base.pl") + script("trace-echo.pl")
    return query_script(_ECHO, sandbox, text, token, address, str(size))


def parse(result: Result, *, size: int, token: str) -> Echo:
    """A line that makes no sense is as good as none."""
    counts = {"small": Count(0, 0), "full": Count(0, 0)}
    refusals: list[str] = []
    problem = ""
    told = False
    for line in result.stdout.splitlines():
        if line == f"{token} missing":
            problem = "neither perl nor ping is on the host"
        elif found := _ECHOED.fullmatch(line.removeprefix(f"{token} ")):
            told = True
            trip = None if found["trip"] == "-" else float(found["trip"])
            counts[found["kind"]] = Count(
                int(found["sent"]), int(found["answered"]), trip, found["errno"].removeprefix("-")
            )
        elif found := _PINGED.fullmatch(line.removeprefix(f"{token} ").rstrip()):
            # Without counts, ping was not even started there.
            told = told or found["sent"] is not None
            trip = float(found["trip"]) if found["trip"] else None
            counts[found["kind"]] = Count(int(found["sent"] or 0), int(found["answered"] or 0), trip)
        elif (found := _REFUSED.fullmatch(line.removeprefix(f"{token} "))) and len(refusals) < 3:
            why = UNREACHABLE.get((int(found["type"]), int(found["code"])), "unreachable")
            mtu = f", {found['mtu']} bytes at the most" if found["mtu"] != "0" and "large" in why else ""
            refusals.append(f"{found['by']} says: {why}{mtu}")
    if not told and not problem:
        problem = "the packets could not be sent from the container's network"
    return Echo(counts["small"], counts["full"], size, tuple(dict.fromkeys(refusals)), problem)


_ECHOED = re.compile(
    r"echo (?P<kind>small|full) (?P<sent>[0-9]{1,3}) (?P<answered>[0-9]{1,3}) "
    r"(?P<trip>-|[0-9]{1,6}\.[0-9]{1,6}) (?P<errno>-|E[A-Z0-9]{1,20})"
)
_PINGED = re.compile(
    r"ping (?P<kind>small|full)(?: (?P<sent>[0-9]{1,3}) packets transmitted, (?P<answered>[0-9]{1,3})"
    r"(?: +(?P<trip>[0-9]{1,6}\.[0-9]{1,6}))?)?"
)
_REFUSED = re.compile(
    r"refused (?P<type>[0-9]{1,3}) (?P<code>[0-9]{1,3}) (?P<by>[0-9.]{7,15}) (?P<mtu>[0-9]{1,5})"
)
