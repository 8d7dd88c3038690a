"""What carries a fleet's overlay: as it was asked for, else what runs already, else what all engines can do.

Pure. Where nothing fits all hosts the answer is the best store: preflight names the engines in the way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from . import store_host
from .facts.engine import Engine
from .facts.host import HostFacts
from .model import AUTO, CONSUL, IMAGES, SWARM, TITLES, Fleet
from .preflight.engine import FIRST_WITHOUT_A_STORE, version

FIRST_WITH_ATTACHABLE = (1, 13)
LIVE_RESTORE = "live-restore, which forbids it"
"""Why an engine can be in no swarm that needs no other one for that."""


def settle(fleet: Fleet, hosts: Mapping[str, HostFacts]) -> Fleet:
    """The fleet with its backend, and with the hosts marked that carry what it needs: servers of the store,
    or managers of the swarm."""
    if fleet.backend == AUTO:
        fleet = replace(fleet, backend=choose(fleet, hosts)[0])
    if fleet.backend in IMAGES:
        fleet = replace(fleet, store=fleet.store.of_kind(fleet.backend))
    return _with_managers(fleet, hosts) if fleet.in_swarm else store_host.settle(fleet, hosts)


def choose(fleet: Fleet, hosts: Mapping[str, HostFacts]) -> tuple[str, str]:
    """The backend that ``auto`` stands for, and why."""
    engines = {n: e for n in fleet.names if isinstance(e := hosts[n].engine, Engine)}
    for name in fleet.names:
        if kind := store_host.told_kind(hosts[name]):
            return kind, f"{name} uses a cluster store already"
    if name := next((n for n, engine in engines.items() if engine.member.there), ""):
        return SWARM, f"{name} is in a swarm already"
    if name := next((n for n, e in engines.items() if not e.running and hosts[n].before), ""):
        # It carries a deployment, and no cluster flags.
        return SWARM, f"{name}, whose engine is down, was deployed in a swarm"
    if fleet.store.external:
        return CONSUL, "the inventory names a store"
    kinds = [fleet.store.kind] if fleet.store.decided else list(TITLES)
    without, *_ = found = [
        {n: why for n, engine in engines.items() if (why := no_store(engine, kind))} for kind in kinds
    ]
    if not without:
        return kinds[0], "all engines have a cluster store"
    if {} in found:
        name, why = next(iter(without.items()))
        return kinds[found.index({})], f"{name} has {why}"
    if all(version(engine.version) >= FIRST_WITH_ATTACHABLE for engine in engines.values()):
        name, why = next(iter(without.items()))
        more = f", and {len(without) - 1} more" if len(without) > 1 else ""
        return SWARM, f"{name} has {why}{more}"
    return kinds[0], "no backend fits all engines"


def no_store(engine: Engine, kind: str) -> str:
    """Why an engine can have no store of that kind, "" where it can."""
    if version(engine.version) >= FIRST_WITHOUT_A_STORE:
        return f"Docker {engine.version}, without a cluster store"
    if not engine.speaks(kind):
        return f"Docker {engine.version}, built without {TITLES[kind]}"
    return ""


def no_swarm(engine: Engine) -> str:
    """Why an engine can be in no swarm with networks that containers join, "" where it can."""
    if version(engine.version) < FIRST_WITH_ATTACHABLE:
        return f"Docker {engine.version}, without attachable networks"
    if engine.live_restore:
        return LIVE_RESTORE
    return ""


@dataclass(frozen=True)
class Ability:
    """What one host's engine can carry: ``cannot`` has the reason for each backend that it can't, ``uses``
    the one that it uses now, "" for none."""

    host: str
    engine: str
    cannot: Mapping[str, str]
    uses: str


@dataclass(frozen=True)
class Abilities:
    """Of all hosts; ``chosen`` is what ``auto`` stands for, and ``why``; ``fits`` whether all hosts can."""

    hosts: tuple[Ability, ...]
    chosen: str
    why: str

    @property
    def fits(self) -> bool:
        return not any(self.chosen in host.cannot for host in self.hosts)


def abilities(fleet: Fleet, hosts: Mapping[str, HostFacts]) -> Abilities:
    """What each host can carry, whatever was asked for."""
    chosen, why = choose(fleet, hosts)
    return Abilities(tuple(_ability(hosts[name]) for name in fleet.names), chosen, why)


def _ability(its: HostFacts) -> Ability:
    engine = its.engine
    if not isinstance(engine, Engine):
        return Ability(its.name, "no Docker", dict.fromkeys((*TITLES, SWARM), engine.why), "")
    reasons = {kind: no_store(engine, kind) for kind in TITLES} | {SWARM: no_swarm(engine)}
    uses = SWARM if engine.member.there else store_host.told_kind(its)
    return Ability(its.name, engine.version, {name: why for name, why in reasons.items() if why}, uses)


def _with_managers(fleet: Fleet, hosts: Mapping[str, HostFacts]) -> Fleet:
    """Those that are marked in the inventory; else those that are managers already. Others join them if the
    inventory wants more, or if there is no swarm yet: one that is there does not grow by itself."""
    chosen = [host.name for host in fleet.hosts if host.manager]
    wanted = fleet.swarm.managers
    if not chosen:
        engines = {n: e for n in fleet.names if isinstance(e := hosts[n].engine, Engine)}
        if not all(engine.running for engine in engines.values()):
            return fleet  # one that is down may be a manager: it is asked when it runs
        members = {name: engine.member for name, engine in engines.items()}
        chosen = [n for n, member in members.items() if member.manager]
        there = any(member.there for member in members.values())
        wanted = wanted or (len(chosen) if there else store_host.sized(len(fleet.hosts)))
        chosen = chosen[:wanted] if fleet.swarm.managers else chosen
    chosen += store_host.spread(fleet.hosts, chosen, (wanted or 0) - len(chosen))
    return replace(fleet, hosts=tuple(replace(h, manager=h.name in chosen) for h in fleet.hosts))
