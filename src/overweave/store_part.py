"""A host's part of the store, a server or an agent of it: is it there, and does it run? Pure."""

from __future__ import annotations

from dataclasses import dataclass

from .facts.engine import Engine
from .facts.host import HostFacts
from .facts.store_service import UNIT
from .model import CONTAINER, SERVICE, SPEC_LABEL, Fleet
from .stores import consul, etcd


@dataclass(frozen=True)
class Part:
    """``run_as``: in which form, as of `Store`. ``ours``: Overweave made it, from what the digest
    ``made_from`` tells; "" of a service that is stopped. ``told`` names it for people. ``container`` is the
    name of one, "" of a service."""

    run_as: str
    running: bool
    ours: bool
    made_from: str
    told: str
    container: str = ""


def there(its: HostFacts) -> Part | None:
    """None where there is none, and where the engine can't tell. Of both forms, the one that runs counts."""
    service, container = _service(its), _container(its)
    found = [part for part in (service, container) if part is not None]
    return next((part for part in found if part.running and part.ours), next(iter(found), None))


def _service(its: HostFacts) -> Part | None:
    if not its.service.unit:
        return None
    return Part(SERVICE, its.service.running, True, its.service.made_from, UNIT)


def _container(its: HostFacts) -> Part | None:
    """Of the other kind than Consul, one of ours alone: etcd's name is nothing to a fleet without."""
    if not isinstance(its.engine, Engine):
        return None
    others = its.engine.container(etcd.CONTAINER)
    found = others if others and SPEC_LABEL in others.labels else its.engine.container(consul.CONTAINER)
    if found is None:
        return None
    digest = found.labels.get(SPEC_LABEL)
    return Part(CONTAINER, found.running, digest is not None, digest or "", found.image, found.name)


def tells(fleet: Fleet, its: HostFacts) -> bool:
    """Whether a host tells if a part is there, in either form, and one can be made to run there."""
    running = isinstance(its.engine, Engine) and its.engine.running
    return running or (not fleet.store.in_engine and bool(its.service.unit))


def ours(its: HostFacts) -> Part | None:
    """As `there`, of one that Overweave made."""
    found = there(its)
    return found if found is not None and found.ours else None


def runs(its: HostFacts) -> bool:
    """Whether one of ours does."""
    found = ours(its)
    return found is not None and found.running


def has_data(its: HostFacts) -> bool:
    """Whether a host has what a server or an agent has written down, as far as its engine can tell."""
    return its.service.data or bool(volumes(its))


def container(its: HostFacts) -> str:
    """The name of one of ours, also of one beside a service; "" where there is none."""
    found = _container(its)
    return found.container if found is not None and found.ours else ""


def volumes(its: HostFacts) -> tuple[str, ...]:
    """Those of a store, of either kind, that a host has."""
    there = its.engine.volumes if isinstance(its.engine, Engine) else frozenset()
    return tuple(name for name in (consul.VOLUME, etcd.VOLUME) if name in there)
