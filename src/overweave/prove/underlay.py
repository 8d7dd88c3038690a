"""What was measured between hosts, as verdicts of the underlay plane. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from overweave.facts.pair_report import Port
from overweave.facts.paths import PairFacts, Path, Travel
from overweave.facts.way import VXLAN_PORT
from overweave.model import VXLAN_OVERHEAD

from .matrix import Verdict

PORTS = {"tcp-7946": Port("tcp", 7946), "udp-7946": Port("udp", 7946)}
RESULTS = {"ok": "answered", "silent": "no answer", "mute": "connected, and nothing came back"}


def verdicts(measured: PairFacts, wanted: tuple[str, ...]) -> dict[tuple[str, str], dict[str, Verdict]]:
    """By directed pair; what was not measured has no verdict. Where echo requests don't pass, but VXLAN
    does, ``icmp`` says nothing, and ``mtu`` is that of VXLAN: many underlays drop pings."""
    found = {}
    for pair, path in measured.paths.items():
        its: dict[str, Verdict] = {}
        frame = _frame(path.vxlan, measured)
        if path.underlay is not None and not _filtered(path):
            its["icmp"] = _icmp(path.underlay)
        if (bytes_ := _passes(path)) is not None:
            its["mtu"] = _mtu(bytes_, measured.mtu)
        if frame is not None:
            its["udp-4789"] = frame
        for check, port in PORTS.items():
            if (result := path.ports.get(port)) is not None:
                its[check] = Verdict(result == "ok", RESULTS.get(result, result))
        found[pair] = {check: its[check] for check in wanted if check in its}
    return found


def largest(measured: PairFacts) -> Mapping[tuple[str, str], int]:
    """Bytes of the largest packet that passes, for the pairs where it is not enough."""
    return {
        pair: bytes_
        for pair, path in measured.paths.items()
        if (bytes_ := _passes(path)) is not None and 0 < bytes_ < measured.mtu
    }


def _filtered(path: Path) -> bool:
    """Whether echo requests don't pass, and VXLAN does."""
    return bool(path.vxlan and path.vxlan.arrived and path.underlay is not None and not path.underlay.arrived)


def _passes(path: Path) -> int | None:
    """Bytes of the largest packet that arrived: an echo request, or a VXLAN frame where those are dropped."""
    if _filtered(path) and path.vxlan is not None:
        return path.vxlan.largest + VXLAN_OVERHEAD if path.vxlan.largest else 0
    return path.underlay.largest if path.underlay is not None else None


def _icmp(travel: Travel) -> Verdict:
    # Two hosts count them: one that lies may have seen more than were sent.
    lost = max(0.0, 1 - travel.arrived / travel.sent) if travel.sent else 1.0
    if not travel.arrived:
        return Verdict(False, travel.error or f"none of {travel.sent} pings arrived", None, 1.0)
    trip = f"{travel.milliseconds:.3g} ms" if travel.milliseconds is not None else "no reply"
    return Verdict(True, trip + (f", {lost:.0%} lost" if lost else ""), travel.milliseconds, lost)


def _mtu(passes: int, mtu: int) -> Verdict:
    if passes >= mtu:
        return Verdict(True, str(mtu))
    return Verdict(False, f"{passes or 'no'} bytes pass, {mtu} don't")


def _frame(travel: Travel | None, measured: PairFacts) -> Verdict | None:
    if travel is None or not travel.sent:
        return None
    # The check has the name of the usual port.
    at = f" at UDP {measured.vxlan}" if measured.vxlan != VXLAN_PORT else ""
    inner = measured.mtu - VXLAN_OVERHEAD
    if not travel.arrived:
        return Verdict(False, f"no VXLAN frame arrived{at}")
    return Verdict(True, f"{travel.arrived} of {travel.sent} frames{at}, {travel.largest} of {inner} bytes")
