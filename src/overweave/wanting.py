"""What `fab apply-networks` does: look, decide, change, look again, and prove what is across hosts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from . import pipeline
from .apply.run import apply
from .apply.world import Done
from .errors import OverweaveError, Refused, UsageError
from .facts import networks as network_facts
from .facts import parents as parent_facts
from .facts.fleet import FleetFacts
from .facts.networks import HostNetworks
from .facts.parents import Parents
from .facts.wanted import network_of
from .fleet import each
from .model import Fleet
from .plan import refuse
from .preflight.finding import Finding, Severity, refusals
from .prove.choice import OVERLAY_ONLY, Choice
from .prove.matrix import Matrix
from .proving import prove, prove_wire
from .reconcile.plan import Reconciliation, reconcile
from .reconcile.preflight import findings
from .session import Session, look
from .steps import CreateNetwork, InstallUnit, Plan
from .wanted import ON_PARENT, WantedNetwork

ROUNDS = 3
"""Looks that may follow each other until nothing differs."""


@dataclass(frozen=True)
class Seen:
    """All that is known before anything changes."""

    facts: FleetFacts
    hosts: Mapping[str, HostNetworks]
    parents: Mapping[str, Parents]


@dataclass(frozen=True)
class Outcome:
    """``first`` is what was decided at the first look; ``proofs`` are of the networks that were changed, by
    their names."""

    first: Reconciliation
    done: Done
    proofs: Mapping[str, Matrix] = field(default_factory=dict)

    @property
    def green(self) -> bool:
        return all(matrix.green for matrix in self.proofs.values())


def gather(session: Session) -> Seen:
    """Look at the hosts, their engines' networks and containers, and the interfaces that networks are on.

    Raises `UsageError` where the inventory says nothing of networks.
    """
    _refuse_nothing(session.fleet)
    facts = look(session)
    fleet = session.fleet
    on_parent = {
        host for network in fleet.networks or () if network.driver in ON_PARENT for host in network.hosts
    }

    def of_host(name: str) -> tuple[HostNetworks, Parents]:
        host = session.hosts[name]
        its = parent_facts.look(host) if name in on_parent else Parents()
        return network_facts.look(host, devices=False), its

    both = each(fleet.names, of_host, cancel=session.cancel).all()
    return Seen(facts, {n: its for n, (its, _) in both.items()}, {n: its for n, (_, its) in both.items()})


def decide(session: Session, seen: Seen, *, replaces: bool) -> tuple[Reconciliation, list[Finding]]:
    """What would be done, with all that forbids it, and what was found of the hosts."""
    made = reconcile(session.fleet, seen.facts, seen.hosts, replace=replaces)
    found = findings(session.fleet, seen.facts, seen.parents)
    return replace(made, refused=(*made.refused, *refusals(found))), found


def apply_networks(session: Session, *, replaces: bool, before: Callable[[Reconciliation], None]) -> Outcome:
    """Make the inventory's networks come true, and prove those across hosts that were made.

    ``before`` is shown what was decided, and may raise: then nothing has changed. Raises `Refused`, or
    `FleetError` of several, with everything that forbids it.
    """
    made, found = decide(session, gather(session), replaces=replaces)
    refuse(made.refused)
    for finding in found:
        if finding.severity is Severity.WARNING:
            session.progress(finding.where, finding.told)
    before(made)
    done, left = Done(), made.plan
    for _ in range(ROUNDS):
        if not left:
            break
        apply(left, pipeline.world(session), done)
        again, _ = decide(session, gather(session), replaces=False)
        refuse(again.refused)
        left = again.plan
    if left:
        raise OverweaveError(
            "after the changes the networks still differ from what is wanted:\n"
            + "\n".join(f"    {step.host}: {step} ({step.why})" for step in left.steps),
            hint="run the same command again; if it stays so, see `journalctl -u docker` on the hosts",
        )
    return Outcome(made, done, _proofs(session, made.plan))


def validate(session: Session, network: WantedNetwork, choice: Choice) -> Matrix:
    """Prove a listed network that is on the hosts' own wire, and change nothing else.

    Raises `Refused` where there is nothing to prove.
    """
    if not network.across:
        raise Refused(
            f"network {network.name} is a bridge of each host alone: nothing is between hosts",
            hint="`fab networks --tree` shows how it is built",
        )
    facts = look(session)
    names = [name for name in network.hosts if name in session.fleet.names]
    sizes = each(names, lambda name: parent_facts.look(session.hosts[name]), cancel=session.cancel).all()
    with pipeline.probing(session, facts, new=True):
        return prove_wire(session, facts, network, choice, mtu=_mtu(network, sizes))


def of_wire(fleet: Fleet) -> WantedNetwork | None:
    """The listed network that the fleet's proof is asked for, if it is no overlay."""
    listed = (its for its in fleet.networks or () if its.name == fleet.network.name)
    return next((its for its in listed if not its.everywhere), None)


def _proofs(session: Session, plan: Plan) -> dict[str, Matrix]:
    """Of the networks across hosts that a plan has made, or given a shim, one after the other."""
    made = {step.name for step in plan.steps if isinstance(step, CreateNetwork)}
    made |= {network_of(step.unit) for step in plan.steps if isinstance(step, InstallUnit)}
    found = {}
    for network in session.fleet.networks or ():
        hosts = [name for name in network.hosts if name in session.fleet.names]
        if network.name not in made or not network.across or len(hosts) < 2:
            continue
        session.progress("", f"proof of network {network.name}")
        if network.everywhere:
            fleet = replace(session.fleet, network=replace(session.fleet.network, name=network.name))
            its = replace(session, fleet=fleet)
            facts = look(its)
            with pipeline.probing(its, facts, new=True):
                found[network.name] = prove(its, facts, noting=False)
        else:
            found[network.name] = validate(session, network, OVERLAY_ONLY)
    return found


def _mtu(network: WantedNetwork, parents: Mapping[str, Parents]) -> int:
    sizes = [
        parent.mtu for host, its in parents.items() if (parent := its.interfaces.get(network.parents[host]))
    ]
    return min(sizes, default=1500)


def _refuse_nothing(fleet: Fleet) -> None:
    if fleet.networks is None:
        raise UsageError(
            "the inventory lists no networks",
            hint="see inventory/example.yml; `networks: {}` takes away those that were made",
        )
