"""Which network two containers have in common, or why there is no way between them. Pure."""

from __future__ import annotations

from overweave.errors import UsageError
from overweave.facts.containers import ContainerFact, Endpoint
from overweave.printable import one_line

from .model import Stopped

HOST_MODE, NONE_MODE = "host", "none"
FOLLOWED = ("overlay", "bridge")
"""Drivers of networks whose way is known."""


def common(source: ContainerFact, target: ContainerFact, wanted: str = "") -> tuple[Endpoint, ...] | Stopped:
    """The endpoints of ``source`` on networks that ``target`` is on too, by name; or why there are none.

    Raises `UsageError` where ``wanted`` is not among them.
    """
    both = networks(source, target)
    for end, other in ((source, target), (target, source)):
        if stopped := _no_network(end, other, both):
            return stopped
    if _owner(source) == _owner(target) and source.host == target.host:
        return Stopped(
            f"{source.name} and {target.name} share one sandbox: they reach each other at 127.0.0.1",
            "nothing is between them that could be followed",
        )
    theirs = {e.network_id for e in target.endpoints}
    shared = tuple(e for e in source.endpoints if e.network_id in theirs)
    if not shared:
        return _apart(source, target)
    if wanted:
        chosen = tuple(e for e in shared if e.network == wanted)
        if not chosen:
            raise UsageError(
                f"--network {one_line(wanted, 60)}: {source.name} and {target.name} are not both on it",
                hint=f"they share {', '.join(e.network for e in shared)}",
            )
        return chosen
    return shared


def networks(source: ContainerFact, target: ContainerFact) -> tuple[tuple[str, str], ...]:
    """What each of the two is plugged into, in words."""
    return tuple(
        (
            f"{end.name} on {end.host}",
            ", ".join(f"{e.network} ({e.address or 'no address'})" for e in end.endpoints)
            or f"--network {end.mode or NONE_MODE}",
        )
        for end in (source, target)
    )


def unknown_driver(source: ContainerFact, target: ContainerFact, network: str, driver: str) -> Stopped:
    return Stopped(
        f"{network} is a network of the driver {one_line(driver, 60)}: its way is not known here",
        f"followed are networks of the drivers {' and '.join(FOLLOWED)}",
        networks(source, target),
    )


def _owner(end: ContainerFact) -> str:
    return end.shares or end.name


def _no_network(
    end: ContainerFact, other: ContainerFact, both: tuple[tuple[str, str], ...]
) -> Stopped | None:
    if not end.running:
        return Stopped(
            f"{end.name} on {end.host} does not run: without a process there is no sandbox and no address",
            f"`docker start {end.name}` on {end.host}",
            both,
        )
    if end.mode == HOST_MODE:
        return Stopped(
            f"{end.name} uses the network of {end.host} itself (--network host): it has no sandbox, no eth0 "
            "and no address of its own, and no network that it could share",
            f"reach it at an address of {end.host}, at the port that it listens on; or run it again without "
            "--network host",
            both,
        )
    if not end.endpoints or end.mode == NONE_MODE:
        network = next((e.network for e in other.endpoints), "NETWORK")
        return Stopped(
            f"{end.name} on {end.host} has a sandbox with nothing but loopback (--network none)",
            f"run it again with --network {network}",
            both,
        )
    return None


def _apart(source: ContainerFact, target: ContainerFact) -> Stopped:
    both = networks(source, target)
    names = {e.network for e in source.endpoints} & {e.network for e in target.endpoints}
    if source.host != target.host:
        seen = f"{source.name} and {target.name} have no network in common, and are on two hosts"
        if names:
            seen += f": {', '.join(sorted(names))} is another network on each, for a bridge ends at its host"
        return Stopped(
            seen, "connect both to one overlay network: `docker network connect overweave CONTAINER`", both
        )
    network = target.endpoints[0].network
    fix = (
        f"`docker network connect {network} {source.name}` on {source.host}"
        if network != "bridge"
        else f"`docker network connect {source.endpoints[0].network} {target.name}` on {source.host}"
    )
    return Stopped(
        f"{source.name} and {target.name} have no network in common: the engine keeps bridges apart from "
        "each other, with rules of its own in the firewall",
        fix,
        both,
    )
