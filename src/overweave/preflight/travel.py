"""How the paths between hosts are: loss, round trips, and the largest packet that passes whole. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from overweave.facts.engine import Engine
from overweave.facts.fleet import FleetFacts
from overweave.facts.paths import PairFacts, Path, Travel
from overweave.model import VXLAN_OVERHEAD, Fleet
from overweave.overlay import addresses, underlay_mtu

from .directions import Direction, Group, arrows, groups
from .finding import Finding, Severity, note, warning
from .pairs import nothing_arrives

LOST_AT_LEAST, LOST_SHARE = 2, 0.03
SLOW_MILLISECONDS = 100.0
"""Gossip is tuned to a local network: it takes a peer for dead that does not answer within 500 ms."""
LIMITED = 0.5
"""Share of echoes beyond what VXLAN loses above which a firewall limits their rate."""
TOO_LOSSY = 0.1
"""With such a loss, a full-size packet that does not come says nothing about sizes."""


def wanted_mtu(fleet: Fleet, facts: FleetFacts) -> int:
    """Bytes that the underlay has to carry: as it is asked for, else as the network that is there was made,
    else as the hosts' interfaces can."""
    if fleet.network.mtu:
        return fleet.network.mtu
    for its in facts.hosts.values():
        there = its.engine.network(fleet.network.name) if isinstance(its.engine, Engine) else None
        if there and there.driver == "overlay":
            return underlay_mtu(there)
    return min(a.mtu for a in addresses(fleet, facts)[0].values())


def echoes(fleet: Fleet, facts: FleetFacts) -> list[Finding]:
    """Whether echo requests pass at all."""
    paths = facts.pairs.paths if facts.pairs else {}
    travels = {d: path.underlay for d, path in paths.items() if path.underlay}
    silent = [d for d, t in travels.items() if not t.arrived and not nothing_arrives(paths[d])]
    if not silent:
        return []
    where = "between any hosts" if len(silent) == len(travels) else f"everywhere: {arrows(silent)}"
    return [
        note(
            "pairs.icmp",
            f"echo requests (ICMP) do not pass {where}",
            matters="an overlay does not need them, but how long a round trip takes and which packets a path "
            "carries uncut is not known there",
        )
    ]


def loss(fleet: Fleet, facts: FleetFacts) -> list[Finding]:
    usable = _usable(facts)
    lossy = [d for d, t in usable.items() if _lost(t) >= LOST_AT_LEAST and _share(t) >= LOST_SHARE]
    found = []
    for group in groups(lossy, usable):
        worst = max((usable[d] for d in group.directions), key=_share)
        where = "" if group.peer else f", in {len(group.directions)} directions: {arrows(group.directions)}"
        found.append(
            warning(
                "pairs.loss",
                f"packets get lost, up to {_lost(worst)} of {worst.sent}{where}",
                matters="gossip takes hosts that lose packets for dead: their containers vanish (moby#35807)",
                fix="see `ip -s link` and `ethtool -S` on both hosts for errors and drops",
                host=group.host,
                peer=group.peer,
            )
        )
    return found


def round_trips(fleet: Fleet, facts: FleetFacts) -> list[Finding]:
    trips = {d: t.milliseconds or 0 for d, t in _usable(facts).items()}
    slow = sorted((d for d in trips if trips[d] > SLOW_MILLISECONDS), key=lambda d: -trips[d])
    if not slow:
        return []
    others = f", and more than {SLOW_MILLISECONDS:g} ms in {len(slow) - 1} more"
    return [
        note(
            "pairs.round-trip",
            f"a round trip takes {trips[slow[0]]:.0f} ms{others if len(slow) > 1 else ''}",
            matters="gossip is tuned to a local network: who does not answer within 500 ms is suspect",
            host=slow[0][0],
            peer=slow[0][1],
        )
    ]


def _usable(facts: FleetFacts) -> dict[Direction, Travel]:
    paths = facts.pairs.paths if facts.pairs else {}
    return {d: t for d, path in paths.items() if (t := _best(path))}


def _best(path: Path) -> Travel | None:
    """The echoes that tell of the network and not of a firewall, which may let pass but a few."""
    came = [t for t in (path.underlay, path.vxlan) if t and t.arrived and t.sent]
    if _limited(path):
        return path.vxlan
    return came[0] if came else None


def _limited(path: Path) -> bool:
    pair = (path.underlay, path.vxlan)
    outside, inside = (_share(t) if t and t.arrived and t.sent else None for t in pair)
    return outside is not None and inside is not None and outside - inside > LIMITED


def _lost(travel: Travel) -> int:
    return max(0, travel.sent - travel.arrived)


def _share(travel: Travel) -> float:
    return _lost(travel) / travel.sent


def sizes(fleet: Fleet, facts: FleetFacts) -> list[Finding]:
    """Whether packets of the network's size get through whole."""
    its = facts.pairs
    if its is None:
        return []
    carried: dict[Direction, int] = {}
    dead = False
    for direction, travel in _usable(facts).items():
        path = its.paths[direction]
        inside = path.vxlan.largest + VXLAN_OVERHEAD if path.vxlan and path.vxlan.arrived else None
        # Of the few that a firewall lets pass, none may be a large one.
        whole = path.underlay if path.underlay is travel or not _limited(path) else None
        outside = whole.largest if whole and whole.arrived else None
        carries = min(size for size in (inside, outside) if size is not None)
        if carries < its.mtu and _share(travel) < TOO_LOSSY:
            # Frames of the engine may be cut up on their way, and so may those of this measurement.
            dead = dead or inside is None or inside < its.mtu
            carried[direction] = carries
    return [_too_big(its, carried, dead)] if carried else []


def _too_big(its: PairFacts, carried: Mapping[Direction, int], dead: bool) -> Finding:
    """One finding, as there is one MTU: an error where some full packets get lost for good."""
    smallest = min(carried.values())
    together = list(groups(carried, its.paths))
    one = together[0] if len(together) == 1 else Group(tuple(carried))
    fate = "do not arrive, or only cut up" if dead else "arrive only cut up"
    return Finding(
        "pairs.mtu",
        Severity.ERROR if dead else Severity.WARNING,
        f"packets of {its.mtu} bytes {fate}, those up to {smallest} pass whole"
        + ("" if one.peer else f": {arrows(one.directions)}"),
        "small packets pass and large ones hang (moby#24906)"
        if dead
        else "every full packet of the overlay goes as two (moby#24906)",
        f"set `network: mtu: {smallest}` in the inventory or --mtu {smallest}, with --replace-network where "
        "the network is there already; or mend the path",
        one.host,
        one.peer,
    )
