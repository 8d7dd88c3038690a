"""What was measured between hosts, as verdicts of the underlay plane. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from overweave.facts.pair_report import Port
from overweave.facts.paths import PairFacts, Travel

from .matrix import Verdict

PORTS = {"tcp-7946": Port("tcp", 7946), "udp-7946": Port("udp", 7946)}
RESULTS = {"ok": "answered", "silent": "no answer", "mute": "connected, and nothing came back"}


def verdicts(measured: PairFacts, wanted: tuple[str, ...]) -> dict[tuple[str, str], dict[str, Verdict]]:
    """By directed pair; what was not measured has no verdict. Where echo requests don't pass, but VXLAN
    does, neither ``icmp`` nor ``mtu`` say anything: many underlays drop pings."""
    found = {}
    for pair, path in measured.paths.items():
        its: dict[str, Verdict] = {}
        frame = _frame(path.vxlan, measured.mtu)
        filtered = frame is not None and frame.ok and path.underlay is not None and not path.underlay.arrived
        if path.underlay is not None and not filtered:
            its["icmp"] = _icmp(path.underlay)
            its["mtu"] = _mtu(path.underlay, measured.mtu)
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
        pair: path.underlay.largest
        for pair, path in measured.paths.items()
        if path.underlay is not None and 0 < path.underlay.largest < measured.mtu
    }


def _icmp(travel: Travel) -> Verdict:
    # Two hosts count them: one that lies may have seen more than were sent.
    lost = max(0.0, 1 - travel.arrived / travel.sent) if travel.sent else 1.0
    if not travel.arrived:
        return Verdict(False, travel.error or f"none of {travel.sent} pings arrived", None, 1.0)
    trip = f"{travel.milliseconds:.3g} ms" if travel.milliseconds is not None else "no reply"
    return Verdict(True, trip + (f", {lost:.0%} lost" if lost else ""), travel.milliseconds, lost)


def _mtu(travel: Travel, mtu: int) -> Verdict:
    if travel.largest >= mtu:
        return Verdict(True, str(mtu))
    return Verdict(False, f"{travel.largest or 'no'} bytes pass, {mtu} don't")


def _frame(travel: Travel | None, mtu: int) -> Verdict | None:
    if travel is None or not travel.sent:
        return None
    inner = mtu - 50
    if not travel.arrived:
        return Verdict(False, "no VXLAN frame arrived")
    return Verdict(True, f"{travel.arrived} of {travel.sent} frames, {travel.largest} of {inner} bytes")
