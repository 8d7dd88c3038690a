"""A host's part of the store, a server or an agent of it: is it there, and does it run? Pure."""

from __future__ import annotations

from dataclasses import dataclass

from .facts.engine import Engine
from .facts.host import HostFacts
from .facts.store_service import UNIT
from .model import CONTAINER, SERVICE, SPEC_LABEL, Fleet
from .stores import consul


@dataclass(frozen=True)
class Part:
    """``run_as``: in which form, as of `Store`. ``ours``: Overweave made it, from what the digest
    ``made_from`` tells; "" of a service that is stopped. ``told`` names it for people."""

    run_as: str
    running: bool
    ours: bool
    made_from: str
    told: str


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
    found = its.engine.container(consul.CONTAINER) if isinstance(its.engine, Engine) else None
    if found is None:
        return None
    digest = found.labels.get(SPEC_LABEL)
    return Part(CONTAINER, found.running, digest is not None, digest or "", found.image)


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
    return its.service.data or has_volume(its)


def has_container(its: HostFacts) -> bool:
    """Whether one of ours is there, also beside a service."""
    found = _container(its)
    return found is not None and found.ours


def has_volume(its: HostFacts) -> bool:
    return isinstance(its.engine, Engine) and consul.VOLUME in its.engine.volumes
