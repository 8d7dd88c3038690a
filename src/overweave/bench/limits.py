"""What keeps an overlay from being as fast as its underlay: packets, offloads, processors. Pure.

Offloads: https://docs.kernel.org/networking/segmentation-offloads.html. A device that can not cut VXLAN
packets itself leaves that to a processor, which is the usual reason of an overlay that is slow on fast links.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from .figures import MANY, ONE, OVERLAY, Device, Limit, Measured, middle

ENOUGH = 0.9
"""Share of the underlay that an overlay can be expected to carry: what is less has a reason."""
FULL = 0.9
"""Share of the time from which a processor counts as busy all the time."""
HEADERS, FRAME, ENCAPSULATION = 52, 38, 50
"""Bytes: IPv4 and TCP with time stamps; Ethernet with preamble, checksum and gap; VXLAN."""
FEATURES = {
    "tx-udp_tnl-segmentation": "a processor cuts VXLAN packets",
    "tcp-segmentation-offload": "a processor cuts TCP data into packets",
    "generic-receive-offload": "a processor takes in each packet",
    "tx-checksumming": "a processor makes checksums",
}
"""Of ``ethtool -k``, and what it means where one is off."""


def features(text: str) -> dict[str, bool]:
    """What ``ethtool -k`` prints, which is JSON only in versions that distributions don't have yet."""
    found = {}
    for line in text.splitlines()[:500]:
        name, colon, rest = line.strip().partition(":")
        if colon and name in FEATURES and rest.split()[:1] in (["on"], ["off"]):
            found[name] = rest.split()[0] == "on"
    return found


def limits(pairs: Sequence[Measured], devices: Mapping[str, Device]) -> tuple[Limit, ...]:
    """The most general first; hosts with the same reason are told together."""
    share = min((r for name in (ONE, MANY) if (r := _median(pairs, name)) is not None), default=None)
    slow = share is not None and share < ENOUGH
    mtu = list(_of_mtu(devices))
    cpu = list(_of_processors(pairs, devices))
    offload = list(_of_offloads(devices)) if slow else []
    best = min((best_share(device) for device in devices.values()), default=1.0)
    unknown = []
    if share is not None and share < ENOUGH * best and not cpu and not offload:
        why = f"the overlay carries {share:.2f} of the underlay, and no MTU, offload or processor explains it"
        unknown = [Limit("unknown", why)]
    return (*mtu, *cpu, *offload, *unknown)


def _median(pairs: Sequence[Measured], name: str) -> float | None:
    return middle(pair.ratio(name) for pair in pairs)


def best_share(device: Device) -> float:
    """Of the underlay's data, where the wire is all that limits."""
    over = (device.inner_mtu - HEADERS) / (device.inner_mtu + ENCAPSULATION + FRAME)
    return over / ((device.mtu - HEADERS) / (device.mtu + FRAME))


def _of_mtu(devices: Mapping[str, Device]) -> Iterator[Limit]:
    alike: dict[tuple[int, int], list[str]] = {}
    for host, device in devices.items():
        alike.setdefault((device.mtu, device.inner_mtu), []).append(host)
    for (mtu, inner), hosts in alike.items():
        share = best_share(devices[hosts[0]])
        told = (
            f"{inner - HEADERS} bytes of data in a packet against {mtu - HEADERS} on the underlay: "
            f"at best {share:.2f} of it"
        )
        spare = mtu - ENCAPSULATION - inner
        if spare > 0:
            told += (
                f"; packets could be {spare} bytes larger: `fab deploy-overlay --mtu {mtu} --replace-network`"
            )
        yield Limit("mtu", told, tuple(hosts))


def _of_processors(pairs: Sequence[Measured], order: Iterable[str]) -> Iterator[Limit]:
    one: dict[str, float] = {}
    every: dict[str, float] = {}
    for pair in pairs:
        for flow in pair.planes[OVERLAY].flows.values():
            for host, busy in flow.busy.items():
                if busy.all >= FULL:
                    every[host] = max(every.get(host, 0), busy.all)
                elif busy.busiest >= FULL:
                    one[host] = max(one.get(host, 0), busy.busiest)
    rest = {host: share for host, share in one.items() if host not in every}
    for who, hosts in (("all processors are", every), ("one processor is", rest)):
        if hosts:
            share = f"up to {max(hosts.values()):.0%} of the time"
            yield Limit(
                "cpu",
                f"{who} busy, {share}, while the overlay carries data",
                tuple(h for h in order if h in hosts),
            )


def _of_offloads(devices: Mapping[str, Device]) -> Iterator[Limit]:
    for feature, means in FEATURES.items():
        off: dict[str, list[str]] = {}
        for host, device in devices.items():
            if device.features is not None and device.features.get(feature) is False:
                off.setdefault(device.interface, []).append(host)
        for interface, hosts in off.items():
            yield Limit("offload", f"{feature} of {interface} is off: {means}", tuple(hosts))
    if unasked := [host for host, device in devices.items() if device.features is None]:
        yield Limit("offload", "not known: there is no ethtool to ask", tuple(unasked))
