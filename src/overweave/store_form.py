"""The steps to a host's part of the store, in the form that it is to run in: it runs, it starts again, it is
moved from the other form, it is taken away. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from . import store_part, store_service
from .facts.engine import Engine
from .facts.host import HostFacts
from .facts.store_service import UNIT, UNIT_FILE
from .model import CONTAINER, SERVICE, Fleet, tagged
from .steps import (
    MoveStore,
    RemoveContainer,
    RemoveService,
    RemoveVolume,
    RunContainer,
    RunService,
    StartContainer,
    StartService,
    Step,
)
from .stores import consul, etcd
from .stores.common import StoreContainer


def run(fleet: Fleet, its: HostFacts, config: str, *, anew: bool) -> list[Step]:
    """What makes it run with that configuration file; none where it does. ``anew``: it holds other secrets
    than it is to have. A container needs its engine to run."""
    there = store_part.ours(its)
    wanted = fleet.store.run_as
    if there is not None and there.run_as != wanted:
        why = f"it is to run as a {wanted}"
        if wanted == SERVICE:
            move = MoveStore(its.name, why, wanted, _brought(its))
            return [move, _service(its, config, why, moved=True)]
        return [MoveStore(its.name, why, wanted), _container(fleet, its, config, why)]
    return _as_service(its, config, anew) if wanted == SERVICE else _as_container(fleet, its, config, anew)


def _as_container(fleet: Fleet, its: HostFacts, config: str, anew: bool) -> list[Step]:
    there = store_part.there(its)
    if there is None or there.made_from != _made(fleet, config).digest or anew:
        why = "it was made from other settings" if there else "the engines need a store"
        volume = etcd.VOLUME if fleet.store.in_etcd else consul.VOLUME
        new = () if volume in store_part.volumes(its) else (volume,)
        return [_container(fleet, its, config, why, replace=there is not None, new=new)]
    return [] if there.running else [start(its.name, "it is stopped", CONTAINER, there.container)]


def _made(fleet: Fleet, config: str) -> StoreContainer:
    if fleet.store.in_etcd:
        return etcd.container(fleet.store, config)
    return consul.container(fleet.store, config)


def _container(
    fleet: Fleet, its: HostFacts, config: str, why: str, *, replace: bool = False, new: tuple[str, ...] = ()
) -> Step:
    name = etcd.CONTAINER if fleet.store.in_etcd else consul.CONTAINER
    return RunContainer(its.name, why, name, _made(fleet, config).spec, replace, new)


def _as_service(its: HostFacts, config: str, anew: bool) -> list[Step]:
    text, digest = store_service.unit(its.service, config)
    service = its.service
    started_from = digest if not service.running else service.made_from
    if service.unit != text or not service.enabled or started_from != digest or anew:
        why = "it was made from other settings" if service.unit else "the engines need a store"
        return [_service(its, config, why)]
    if service.running and service.replaced:
        return [_service(its, config, "its program was replaced since it was started")]
    return [] if service.running else [start(its.name, "it is stopped", SERVICE)]


def _service(its: HostFacts, config: str, why: str, *, moved: bool = False) -> Step:
    text, _ = store_service.unit(its.service, config)
    there = its.service
    new = "" if there.data or moved else consul.DATA
    return RunService(its.name, why, UNIT, UNIT_FILE, text, there.unit, there.running, new)


def start(host: str, why: str, run_as: str, container: str = consul.CONTAINER) -> Step:
    """What makes one run that is there, and stopped."""
    return StartService(host, why, UNIT) if run_as == SERVICE else StartContainer(host, why, container)


def remove(its: HostFacts, why: str) -> list[Step]:
    """What takes it away with all of its data; none where there is none of ours."""
    steps: list[Step] = []
    if its.service.unit or its.service.data:
        steps.append(RemoveService(its.name, why, UNIT, UNIT_FILE, consul.DATA))
    if container := store_part.container(its):
        steps.append(RemoveContainer(its.name, why, container))
    # Of a volume nobody can tell who made it but by the note that there was a deployment.
    if its.before is not None:
        steps += [RemoveVolume(its.name, why, volume) for volume in store_part.volumes(its)]
    return steps


def _brought(its: HostFacts) -> str:
    """The image of a host's container, where a deployment had brought it and nothing else is made from it."""
    engine = its.engine
    there = engine.container(consul.CONTAINER) if isinstance(engine, Engine) else None
    if there is None or its.before is None or not isinstance(engine, Engine):
        return ""
    image = tagged(there.image)
    used = {tagged(c.image) for c in engine.containers if c.name != consul.CONTAINER}
    return image if image in engine.images - its.before.images - used else ""


def stopping(fleet: Fleet, hosts: Mapping[str, HostFacts], steps: Sequence[Step]) -> frozenset[str]:
    """Hosts with a server that stops with their engine, or by one of the steps."""

    def stops(name: str) -> bool:
        part = store_part.there(hosts[name])
        run_as = part.run_as if part else fleet.store.run_as
        return run_as == CONTAINER or any(runs_store(step) and step.host == name for step in steps)

    return frozenset(filter(stops, fleet.servers))


def runs_store(step: Step) -> bool:
    """Whether a step is the last of what `run` gives, or what `start` does."""
    if isinstance(step, RunContainer | StartContainer):
        return step.name in (consul.CONTAINER, etcd.CONTAINER)
    return isinstance(step, RunService | StartService)


def starts_again(step: Step) -> bool:
    """Whether a step is what `start` gives."""
    return isinstance(step, StartContainer | StartService)
