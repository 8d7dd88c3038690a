"""Which ports an overlay needs: from which host to which, and whose they are. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from overweave.facts.engine import Engine
from overweave.facts.fleet import FleetFacts
from overweave.facts.pair_report import Port
from overweave.facts.paths import Listen
from overweave.model import Fleet
from overweave.overlay import vxlan_port
from overweave.stores import consul, etcd
from overweave.stores.common import Listener

ENGINE = frozenset({"dockerd", "dockerd-current", "docker"})
CONSUL, ETCD = frozenset({"consul"}), frozenset({"etcd"})
GOSSIP_ISSUES = "moby#33416, moby#29979, swarmkit#1434"


@dataclass(frozen=True)
class Need:
    """A port that has to be reached from all other hosts: ``everywhere`` on every host, else on those with
    the store or the manager. ``matters`` says what is broken without it; not ``vital``: nothing yet.

    ``local``: at loopback too. ``reached``: False where only the host itself uses it.
    """

    port: Port
    owners: frozenset[str]
    matters: str
    everywhere: bool = False
    vital: bool = True
    local: bool = False
    reached: bool = True


GOSSIP = tuple(
    Need(
        Port(protocol, 7946),
        ENGINE,
        f"engines that do not gossip make islands, and containers of one do not reach the others "
        f"({GOSSIP_ISSUES})",
        everywhere=True,
    )
    for protocol in ("tcp", "udp")
)
SWARM = (*GOSSIP, Need(Port("tcp", 2377), ENGINE, "no node joins a swarm without it (swarmkit#1434)"))


def of_vxlan(fleet: Fleet, facts: FleetFacts) -> Port:
    """The kernel's own, of the devices that engines make."""
    return Port("udp", vxlan_port(fleet, facts))


def needs(fleet: Fleet) -> tuple[Need, ...]:
    """What this overlay needs, apart from VXLAN, whose port is the kernel's."""
    if fleet.in_swarm:
        return SWARM
    if fleet.store.external:
        return GOSSIP
    return (
        *GOSSIP,
        *(
            Need(
                Port(its.protocol, its.number),
                ETCD if fleet.store.in_etcd else CONSUL,
                "an engine without its store has no overlay networks (moby#18841)"
                if its.vital
                else f"{fleet.store.title} does not start without it",
                everywhere=its.everywhere,
                vital=its.vital,
                local=its.local,
                reached=its.reached,
            )
            for its in _listeners(fleet)
        ),
    )


def _listeners(fleet: Fleet) -> tuple[Listener, ...]:
    of = etcd.listeners if fleet.store.in_etcd else consul.listeners
    return of(fleet.store, len(fleet.servers))


def listens(fleet: Fleet, facts: FleetFacts) -> dict[str, tuple[Listen, ...]]:
    """What is to be measured, by the host that listens."""
    found = {}
    for name in fleet.names:
        # An agent that has the gossip's key takes a ping without it for an attack.
        quiet = consul.SECRETS in facts.hosts[name].credentials.files
        engine = facts.hosts[name].engine
        # A swarm encrypts its gossip, and would log a ping that is not.
        swarm = isinstance(engine, Engine) and engine.swarm
        its: list[Listen] = []
        for need in needs(fleet):
            carrier = name in fleet.servers or name in fleet.managers
            if need.everywhere or carrier:
                ping = not (swarm if need.owners == ENGINE else quiet)
                if need.reached or carrier:
                    its.append(Listen(need.port, need.owners, ping=ping, reached=need.reached))
                if need.local:
                    its.append(Listen(need.port, need.owners, "127.0.0.1"))
        found[name] = tuple(its)
    return found
