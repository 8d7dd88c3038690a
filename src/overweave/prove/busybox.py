"""Checks made with a probe container's own tools, on fleets where a host has no Perl.

One exec a host does all checks against all peers: one exec a pair takes minutes at 25 hosts. The script
uses busybox's applets only, as every busybox image since 1.30 has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from overweave.command import change_script
from overweave.fleet import Cancel, each
from overweave.ports import Writer
from overweave.printable import one_line
from overweave.render import script

from .agents import PAYLOAD, Stand
from .matrix import Verdict

PORTS = range(20000, 30000)
"""Of echo servers: below those that kernels give out."""
CLIENT = script("probe-checks.sh")
"""Runs in the probe: what each check does is told there."""
EXEC = 'container=$1 script=$2; shift 2; docker exec "$container" sh -c "$script" sh "$@"'
BUSYBOX_CHECKS = ("dns", "icmp", "tcp", "mtu")


def ask(
    writers: Mapping[str, Writer],
    stands: Mapping[str, Stand],
    wanted: Mapping[tuple[str, str], tuple[str, ...]],
    *,
    port: int,
    mtu: int,
    cancel: Cancel,
) -> dict[tuple[str, str], dict[str, Verdict]]:
    """The ``wanted`` checks of each pair, as far as this way has them, between containers at whose addresses
    `server` runs."""

    def check(own: str) -> dict[str, dict[str, Verdict]]:
        names = list(stands)
        # Each host begins with the one after it, so that they don't all load the first one at once.
        at = names.index(own)
        peers = [stands[name] for name in names[at + 1 :] + names[:at] if (own, name) in wanted]
        arguments = client_arguments(port, mtu, [(peer.name, peer.address) for peer in peers])
        # Its exit code is that of the last check.
        done = writers[own].do(change_script(f"{EXEC} || :", stands[own].name, CLIENT, *arguments))
        return parse_verdicts(done.stdout)

    said = each(stands, check, cancel=cancel).all()
    return {
        (a, b): {c: v for c, v in said[a].get(stands[b].name, {}).items() if c in checks}
        for (a, b), checks in wanted.items()
    }


def server(port: int) -> str:
    """A shell's words for what has to run for the peers."""
    return f"nc -ll -p {port} -e cat"


def client_arguments(port: int, mtu: int, peers: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Arguments of `CLIENT`: ``port`` of `server`, ``mtu`` in bytes, and name and address of each peer."""
    return (str(port), str(PAYLOAD), str(mtu), *(word for peer in peers for word in peer))


def parse_verdicts(text: str) -> dict[str, dict[str, Verdict]]:
    """Lines ``NAME CHECK ok|red DETAIL``; anything else is noise of the container's tools."""
    found: dict[str, dict[str, Verdict]] = {}
    for line in text.splitlines():
        words = line.split(" ", 3)
        if len(words) == 4 and words[2] in ("ok", "red") and words[1] in BUSYBOX_CHECKS:
            name, check, verdict, detail = words
            trip = _milliseconds(detail) if check == "icmp" and verdict == "ok" else None
            found.setdefault(name, {})[check] = Verdict(verdict == "ok", one_line(detail, 100), trip)
    return found


def _milliseconds(detail: str) -> float | None:
    number = detail.removesuffix(" ms")
    return float(number) if number.replace(".", "", 1).isdecimal() and number.isascii() else None
