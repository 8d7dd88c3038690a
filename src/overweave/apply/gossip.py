"""Sees who gossips with whom, and makes the gossip whole."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address

from overweave.errors import ConnectionProblem, GossipError, OverweaveError
from overweave.fleet import each
from overweave.gossip.exchange import PORT, exchange
from overweave.gossip.islands import View, islands, remedies, unseen
from overweave.gossip.wire import Member
from overweave.ports import Reader
from overweave.waiting import wait_until

from .world import World

GOSSIP_SECONDS = 45.0


def view(reader: Reader, address: str) -> View | None:
    """What the engine of a host knows; None where its gossip does not answer (yet)."""
    try:
        members = exchange(reader.stream(address, PORT))
    except (ConnectionProblem, GossipError):
        return None
    return View(IPv4Address(address), members)


def join_gossip(addresses: Mapping[str, str], world: World) -> list[tuple[str, ...]]:
    """Wait until all engines gossip at their ``addresses``, and tell each what it misses until all see all.

    Islands never merge by themselves (moby#35807), and a push/pull of the missing members merges them
    at once, with no restart (engine-facts). Returns the islands, if there was more than one.

    Raises `DeadlineExceeded`, naming who does not see whom.
    """
    found: list[tuple[str, ...]] = []
    state = "no engine has answered"

    def look_and_heal() -> bool:
        nonlocal found, state
        seen = each(
            addresses,
            lambda name: view(world.writers[name], addresses[name]),
            cancel=world.cancel,
        ).all()
        views = {name: its for name, its in seen.items() if its is not None}
        silent = [name for name in addresses if name not in views]
        missing = unseen(views)
        if silent:
            state = f"no gossip from {', '.join(silent)}"
            return False
        if not missing:
            return True
        parts = islands(views)
        if len(parts) > max(1, len(found)):
            found = parts
            world.progress("", "gossip is split: " + " | ".join(", ".join(part) for part in parts))
        state = "; ".join(f"{name} does not see {', '.join(others)}" for name, others in missing.items())
        told = remedies(views)
        each(
            told,
            lambda name: _tell(world.writers[name], addresses[name], told[name]),
            cancel=world.cancel,
        )
        return False

    try:
        wait_until(look_and_heal, what="gossip", seconds=GOSSIP_SECONDS, clock=world.clock)
    except OverweaveError as e:
        if e.exit_code == 6:
            e.message = f"the gossip is not whole after {GOSSIP_SECONDS:g} s: {state}"
            e.hint = "open TCP and UDP 7946 between all hosts, both ways"
        raise
    return found


def _tell(reader: Reader, address: str, members: tuple[Member, ...]) -> None:
    exchange(reader.stream(address, PORT), members)
