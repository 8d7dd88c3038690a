"""Managers that wait for the swarm's unlock key: who they are, and how they get it. Pure."""

from __future__ import annotations

from overweave.command import Secret
from overweave.errors import Refused
from overweave.facts.engine import Engine
from overweave.facts.fleet import FleetFacts
from overweave.facts.swarm import LOCKED
from overweave.model import Fleet
from overweave.steps import Plan, RenewUnlockKey, Stage, UnlockSwarm, make_plan, some

from .rotation import ASKED, manager_of

WHY = "it was locked since its engine started"
NOT_KEPT = "name a manager that is not locked, too: only such a one tells the key"


def locked(fleet: Fleet, facts: FleetFacts) -> list[str]:
    """Hosts whose managers wait for the key."""
    engines = {name: facts.hosts[name].engine for name in fleet.names}
    return [n for n, e in engines.items() if isinstance(e, Engine) and e.member.state == LOCKED]


def unlocking(fleet: Fleet, facts: FleetFacts, key: Secret | None = None) -> Plan:
    """Open all of them; empty where none is locked. Without a ``key``, a manager that is not locked tells it.
    Raises `Refused` where nobody can."""
    waiting = locked(fleet, facts)
    via = "" if key else _open(fleet, facts)
    if waiting and not via and not key:
        raise Refused(
            f"the managers on {some(waiting)} are locked, and no other one here can tell their key",
            hint="`fab unlock-swarm --key FILE` with the key that was kept; or name one that is not locked",
        )
    return make_plan(Stage("locked managers", tuple(UnlockSwarm(name, WHY, via, key) for name in waiting)))


def renewing(fleet: Fleet, facts: FleetFacts) -> Plan:
    """Another unlock key. Raises `Refused` where managers don't lock themselves, or there is no leader."""
    return make_plan(Stage("key", (RenewUnlockKey(knower(fleet, facts), ASKED),)))


def knower(fleet: Fleet, facts: FleetFacts) -> str:
    """The host of a manager that knows the unlock key. Raises `Refused` where there is no key, or none."""
    if (waiting := locked(fleet, facts)) and not _open(fleet, facts):
        raise Refused(f"the managers on {some(waiting)} are locked, and no other one is here", hint=NOT_KEPT)
    at, swarm = manager_of(fleet, facts)
    if not swarm.cluster.autolock:
        raise Refused(
            "managers of this swarm don't lock themselves: there is no unlock key",
            hint="`swarm: autolock: true` in the inventory, and `fab deploy-overlay`",
        )
    return at


def _open(fleet: Fleet, facts: FleetFacts) -> str:
    """The host of a manager that leads or follows a leader; "" for none."""
    if facts.swarm is None or not facts.swarm.leader:
        return ""
    return manager_of(fleet, facts)[0]
