"""From the pattern of verdicts to a cause and a remedy, in words. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from .matrix import Cause, Matrix, Pair


def causes(matrix: Matrix, vteps: Mapping[str, str]) -> tuple[Cause, ...]:
    """``vteps`` are the hosts' underlay addresses."""
    found = []
    for line in _lines(matrix, vteps):
        where, text = line.split(": ", 1)
        seen, _, fix = text.rpartition(": ")
        found.append(Cause("", where, seen, fix))
    return tuple(found)


def _lines(matrix: Matrix, vteps: Mapping[str, str]) -> tuple[str, ...]:
    """A line for each cause; ``vteps`` are the hosts' underlay addresses."""
    found = []
    silent = [p for p in matrix.red if not p.checks.keys() - {"vxlan"}]
    for host in dict.fromkeys(p.source for p in silent):
        found.append(f"{host}: its probe said nothing: see `journalctl -u docker` there, then prove again")
    dead = [p for p in matrix.red if "icmp" in p.failed and p not in silent]
    lost = [p for p in dead if "vxlan" in p.failed]
    blocked = [p for p in dead if "vxlan" not in p.failed]
    for a, b, arrow in _ways(blocked):
        found.append(
            f"{a} {arrow} {b}: the rows are right and packets don't arrive (moby#33416): "
            f"open UDP 4789 between {vteps.get(a, a)} and {vteps.get(b, b)}, both ways"
        )
    for a, b, arrow in _ways(lost):
        found.append(
            f"{a} {arrow} {b}: the overlay has no forwarding rows for the other (moby#35807): "
            f"open TCP and UDP 7946 between {vteps.get(a, a)} and {vteps.get(b, b)}, then deploy again"
        )
    alive = [p for p in matrix.red if p not in dead and p not in silent]
    for a, b, arrow in _ways([p for p in alive if "mtu" in p.failed]):
        found.append(
            f"{a} {arrow} {b}: small packets pass, full-size ones don't (moby#24906): the underlay's MTU is "
            "smaller than the network's: set `network: mtu:` to the smallest on the path and deploy with "
            "--replace-network"
        )
    for a, b, arrow in _ways([p for p in alive if "tcp" in p.failed and "mtu" not in p.failed]):
        found.append(
            f"{a} {arrow} {b}: ping passes and TCP doesn't (moby#41775): if the NIC offloads checksums, "
            "`ethtool -K INTERFACE tx-checksum-ip-generic off` on both"
        )
    for a, b, arrow in _ways([p for p in alive if "vxlan" in p.failed]):
        found.append(
            f"{a} {arrow} {b}: packets pass, but not by a row that leads to the other host's address: "
            "does an engine advertise another address than its own? `fab status` shows them"
        )
    for a, b, arrow in _ways([p for p in alive if p.failed == ("dns",)]):
        found.append(
            f"{a} {arrow} {b}: packets pass, the name does not resolve: is the store reachable from {a}? "
            "`fab status` shows it"
        )
    return tuple(found)


def _ways(pairs: list[Pair]) -> list[tuple[str, str, str]]:
    """Both directions of two hosts as one line with ``<->``, a single one with ``->``."""
    directed = {(p.source, p.target) for p in pairs}
    lines = []
    for p in pairs:
        if (p.target, p.source) not in directed:
            lines.append((p.source, p.target, "->"))
        elif p.source < p.target:
            lines.append((p.source, p.target, "<->"))
    return lines
