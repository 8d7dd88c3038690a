"""Networks and endpoints of one host, by what its engine lists, or else by its containers. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from overweave.facts import namespaces
from overweave.facts.containers import ContainerFact
from overweave.facts.engine import NetworkFact
from overweave.facts.namespaces import Namespace
from overweave.facts.networks import HostNetworks, Plug
from overweave.model import ENCRYPTED, VNIS_OPTION

UNKNOWN = ""
"""Driver and scope of a network that its engine does not list."""
RESERVED = {"bridge": "bridge", "host": "host", "none": "null"}
"""Drivers of the networks whose names no engine lets others have."""


@dataclass(frozen=True)
class Attached:
    """An endpoint on a host, by its network's list or by its container's. ``container`` is None for those of
    the engine's own sandboxes, and of nobody. ``holder`` is "" for nobody's."""

    plug: Plug
    container: ContainerFact | None
    holder: str


@dataclass(frozen=True)
class Record:
    """``attached`` are the endpoints on this host, ``foreign`` those of a network of many hosts that are not.
    ``without`` are containers that run and have no endpoint on it, ``waiting`` those that are stopped."""

    fact: NetworkFact
    listed: bool
    space: Namespace | None
    attached: tuple[Attached, ...]
    foreign: tuple[Plug, ...]
    without: tuple[str, ...]
    waiting: tuple[str, ...]

    @property
    def vnis(self) -> tuple[int, ...]:
        """Those that the engine tells, and those of the vxlan devices."""
        told = re.findall(r"\d{1,8}", self.fact.options.get(VNIS_OPTION, ""), re.A)
        devices = self.space.vxlans() if self.space else ()
        return tuple(dict.fromkeys([*map(int, told), *(v.vni for v in devices)]))

    @property
    def flags(self) -> tuple[str, ...]:
        fact = self.fact
        words = {
            "internal": fact.internal,
            "attachable": fact.attachable,
            "encrypted": ENCRYPTED in fact.options,
            "ingress": fact.ingress,
        }
        return tuple(word for word, its in words.items() if its)

    @property
    def wrong(self) -> tuple[str, ...]:
        """What is not as it should be, by the engine's own lists."""
        return (
            *(nobodys(its.plug) for its in self.attached if not its.holder),
            *(f"{name} runs and has no endpoint on {self.fact.name}" for name in self.without),
        )


def nobodys(plug: Plug) -> str:
    """Of an endpoint that was left behind."""
    return f"endpoint {plug.id[:12]} ({plug.name}): no container has it"


def records(seen: HostNetworks) -> tuple[Record, ...]:
    """All networks of a host: those that its engine lists, and those that its containers are on."""
    containers = seen.containers or ()
    facts = {n.fact.id: (n.fact, True, n.plugs) for n in seen.networks or ()}
    for container in containers:
        for endpoint in container.endpoints:
            if endpoint.network_id and endpoint.network_id not in facts:
                facts[endpoint.network_id] = (
                    _unlisted(seen, endpoint.network, endpoint.network_id),
                    False,
                    (),
                )
    return tuple(_record(seen, fact, plugs, listed=listed) for fact, listed, plugs in facts.values())


def _unlisted(seen: HostNetworks, name: str, id: str) -> NetworkFact:
    """A network whose namespace is there is an overlay, whatever its engine can tell of it now."""
    overlay = namespaces.newest(seen.namespaces, id) is not None
    driver = "overlay" if overlay else RESERVED.get(name, UNKNOWN)
    return NetworkFact(id, name, driver, "local" if name in RESERVED else UNKNOWN, (), {})


def _record(seen: HostNetworks, fact: NetworkFact, plugs: tuple[Plug, ...], *, listed: bool) -> Record:
    by_id = {c.id: c for c in seen.containers or ()}
    mine: dict[str, Attached] = {}
    without: list[str] = []
    waiting: list[str] = []
    for container in by_id.values():
        if container.shares:
            continue
        for endpoint in container.endpoints:
            # A container that was made and never started has the network's name alone.
            if endpoint.network_id != fact.id and (endpoint.network_id or endpoint.network != fact.name):
                continue
            if endpoint.id:
                address = f"{endpoint.address}/{endpoint.prefix}" if endpoint.address else ""
                plug = Plug(endpoint.id, container.name, container.id, address, endpoint.mac)
                mine[endpoint.id] = Attached(plug, container, container.name)
            else:
                # One that restarts over and over has no process in between, and counts as running.
                (without if container.pid else waiting).append(container.name)
    foreign = []
    for plug in plugs:
        if plug.id in mine:
            continue
        if plug.holder:
            held = by_id.get(plug.holder)
            mine[plug.id] = Attached(plug, held, held.name if held else plug.holder)
        elif fact.scope == "local":
            mine[plug.id] = Attached(plug, None, "")
        else:
            foreign.append(plug)
    return Record(
        fact=fact,
        listed=listed,
        space=namespaces.newest(seen.namespaces, fact.id) if fact.driver == "overlay" else None,
        attached=tuple(sorted(mine.values(), key=lambda its: (its.holder, its.plug.name, its.plug.id))),
        foreign=tuple(foreign),
        without=tuple(sorted(without)),
        waiting=tuple(sorted(waiting)),
    )
