"""Back to what was there before a deployment. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from .facts.engine import Engine, NetworkFact
from .facts.fleet import FleetFacts
from .facts.host import HostFacts
from .facts.record import PATH as RECORD_PATH
from .facts.unit import DROP_IN, Unit
from .model import SPEC_LABEL, Fleet, tagged
from .overlay import anchors_there, left_over_probes, users_containers
from .steps import (
    Plan,
    RemoveContainer,
    RemoveFile,
    RemoveImage,
    RemoveNetwork,
    RemoveVolume,
    RestartEngine,
    Stage,
    Step,
    make_plan,
)
from .stores import consul

GATEWAY_BRIDGE = "docker_gwbridge"
"""Engines make this bridge when the first container joins an overlay, and never remove it."""


def teardown(fleet: Fleet, facts: FleetFacts) -> Plan:
    """Back to what was there before: network, store with its data, drop-ins, images, the record.

    The network goes while the store still answers; the store goes before its engine restarts.
    """
    containers: list[Step] = list(anchors_there(fleet, facts, "it was made by the deployment"))
    for its in facts.hosts.values():
        containers += left_over_probes(its)
    carrier = next((n for n in fleet.names if _has_network(facts.hosts[n], fleet.network.name)), None)
    network = [RemoveNetwork(carrier, "it was asked for", fleet.network.name)] if carrier else []
    # Other networks live in the same store: it stays until the last of them goes.
    others = any(
        _shared(n) and n.name != fleet.network.name for its in facts.hosts.values() for n in _of(its)
    )
    rest = [] if others else [step for name in fleet.names for step in _undo(facts.hosts[name])]
    return make_plan(
        Stage("probes and anchors", tuple(containers)),
        Stage("network", tuple(network)),
        Stage("store and configuration", tuple(rest)),
    )


def _of(its: HostFacts) -> tuple[NetworkFact, ...]:
    return its.engine.networks if isinstance(its.engine, Engine) else ()


def _shared(network: NetworkFact) -> bool:
    return network.driver == "overlay" and network.scope == "global"


def _has_network(its: HostFacts, name: str) -> bool:
    return any(_shared(network) and network.name == name for network in _of(its))


def _undo(its: HostFacts) -> list[Step]:
    why = "it was made by the deployment"
    steps: list[Step] = []
    engine, unit, before = its.engine, its.unit, its.before
    if isinstance(engine, Engine):
        store = engine.container(consul.CONTAINER)
        if store and SPEC_LABEL in store.labels:
            steps.append(RemoveContainer(its.name, why, store.name))
        if consul.VOLUME in engine.volumes and before is not None:
            steps.append(RemoveVolume(its.name, why, consul.VOLUME))
        if before is not None:
            there = engine.networks
            steps += [
                RemoveNetwork(its.name, why, n.name)
                for n in there
                if n.name == GATEWAY_BRIDGE and n.name not in before.networks
            ]
    if isinstance(unit, Unit) and unit.drop_in:
        keep = before is None or before.drop_in_folder
        steps.append(RemoveFile(its.name, why, DROP_IN, with_folder=not keep))
    carries = isinstance(unit, Unit) and any(a.startswith("--cluster-") for a in unit.arguments)
    if isinstance(unit, Unit) and (unit.drop_in or carries) and "--cluster-" not in unit.environment:
        stops = users_containers(engine) if isinstance(engine, Engine) else ()
        steps.append(RestartEngine(its.name, "without the cluster flags", stops))
    return steps


def forget(fleet: Fleet, facts: FleetFacts) -> Plan:
    """The last of a teardown: images that were brought along, and the record itself."""
    if any(_shared(n) and n.name != fleet.network.name for its in facts.hosts.values() for n in _of(its)):
        return Plan()
    steps: list[Step] = []
    for name in fleet.names:
        its = facts.hosts[name]
        # What a stopped engine still has can't be taken away yet, and must not be forgotten.
        if its.before is None or (isinstance(its.engine, Engine) and not its.engine.running):
            continue
        if isinstance(its.engine, Engine):
            ours: Mapping[str, None] = dict.fromkeys((tagged(fleet.store.image), tagged(fleet.images.probe)))
            steps += [
                RemoveImage(name, "it was brought along", image)
                for image in ours
                if image in its.engine.images and image not in its.before.images
            ]
        steps.append(RemoveFile(name, "the host is as it was", RECORD_PATH, with_folder=True))
    return make_plan(Stage("what was brought along", tuple(steps)))
