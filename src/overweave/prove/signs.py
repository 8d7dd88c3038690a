"""What each directed pair shows, as a set of words that rules of diagnosis are made of. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from overweave.facts.way import VXLAN_PORT

from .matrix import CHECKS, SLOW_LOSS, Matrix, Pair

SILENT = "silent"
"""Nothing was measured in either direction: one of the two hosts took no part."""
LOSSY = "lossy"
UNSEEN = "unseen"
"""In the gossip, one of the two engines does not see the other alive."""
ROW_MISSING, ROW_WRONG, ROW_RIGHT = "row missing", "row wrong", "row right"
NO_NEIGHBOUR = "no neighbour"
"""Packets were sent, and there is still no neighbour row: the engine asked its peers, and none knew."""
BACK_ROW_WRONG = "back row wrong"
"""The kernel drops what comes from a container by another way than its own permanent row for it leads
(vxlan_snoop in drivers/net/vxlan: static entries don't migrate), so such a row is deadly both ways."""
DEVICE_DOWN = "device down"
"""The vxlan device of one of the two hosts is down, which takes its neighbour rows with it."""
UNDERLAY_DEAD = "underlay dead"
"""Nothing of what was tried between the two hosts arrived."""


@dataclass(frozen=True)
class Context:
    """What is known beside the verdicts. ``vteps``: the hosts' underlay addresses; ``rows``: where a host's
    overlay sends packets for the container of another, "" for nowhere, missing if it was not looked at;
    ``unknown``: pairs of which the first had no neighbour row for the container of the second in the end;
    ``unseen``: for a host, those that its engine does not see in the gossip; ``lost``: why a host took no
    part; ``down``: hosts whose vxlan device is down; ``largest``: bytes of the largest packet that the
    underlay carries, where it is not enough; ``vxlan``: the port of its frames (UDP)."""

    vteps: Mapping[str, str]
    rows: Mapping[tuple[str, str], str] = field(default_factory=dict)
    unknown: frozenset[tuple[str, str]] = frozenset()
    unseen: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    lost: Mapping[str, str] = field(default_factory=dict)
    down: frozenset[str] = frozenset()
    largest: Mapping[tuple[str, str], int] = field(default_factory=dict)
    vxlan: int = VXLAN_PORT


def of_pair(pair: Pair, matrix: Matrix, context: Context) -> frozenset[str]:
    """``+check`` and ``-check`` of the overlay, ``-back check`` in the other direction; ``+u:check`` and
    ``-u:check`` of the underlay, ``-back u:check`` in the other direction; and the words above.

    ``udp`` says whether packets arrive: where datagrams were not asked for, the other checks tell."""
    a, b = pair.source, pair.target
    signs = _of_checks(pair)
    if {a, b} & context.lost.keys() or pair.silent:
        signs.add(SILENT)
    icmp = pair.checks.get("icmp")
    if icmp is not None and icmp.ok and (icmp.loss or 0) >= SLOW_LOSS:
        signs.add(LOSSY)
    if b in context.unseen.get(a, ()) or a in context.unseen.get(b, ()):
        signs.add(UNSEEN)
    if (a, b) in context.rows:
        signs.add(_row((a, b), context))
    if (a, b) in context.unknown:
        signs.add(NO_NEIGHBOUR)
    if {a, b} & context.down:
        signs.add(DEVICE_DOWN)
    for check, verdict in pair.underlay.items():
        signs.add(f"+u:{check}" if verdict.ok else f"-u:{check}")
    if pair.underlay and not any(verdict.ok for verdict in pair.underlay.values()):
        signs.add(UNDERLAY_DEAD)
    back = matrix.pair(b, a)
    if back is not None and back.failed:
        if "vxlan" in back.failed and (b, a) in context.rows and _row((b, a), context) == ROW_WRONG:
            signs.add(BACK_ROW_WRONG)
        signs |= {f"-back u:{check}" for check in back.underlay_failed}
        signs |= {f"-back {sign[1:]}" for sign in _of_checks(back) if sign[0] == "-"}
    return frozenset(signs)


def _row(pair: tuple[str, str], context: Context) -> str:
    row = context.rows[pair]
    return ROW_MISSING if not row else ROW_RIGHT if row == context.vteps.get(pair[1]) else ROW_WRONG


def _of_checks(pair: Pair) -> set[str]:
    signs = {f"-{c}" if c in pair.failed else f"+{c}" for c in CHECKS if c in pair.wanted}
    if not signs & {"+udp", "-udp"}:
        if signs & {"+icmp", "+connect", "+tcp", "+mtu"}:
            signs.add("+udp")
        # A large packet or a stream that fails alone says nothing of small packets.
        elif signs & {"-icmp", "-connect"} or ("-vxlan" in signs and not signs & {"-tcp", "-mtu"}):
            signs.add("-udp")
    return signs
