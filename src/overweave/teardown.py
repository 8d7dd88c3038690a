"""Back to what was there before a deployment. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from . import backup_unit, boot, store_form
from .facts.engine import Engine, NetworkFact
from .facts.fleet import FleetFacts
from .facts.host import HostFacts
from .facts.record import PATH as RECORD_PATH
from .facts.unit import DROP_IN, Unit
from .model import PROBE_LABEL, SPEC_LABEL, Fleet, tagged
from .overlay import anchors_there, gateway_bridge, left_over_probes, users_containers
from .steps import (
    Plan,
    RemoveFile,
    RemoveImage,
    RemoveNetwork,
    RestartEngine,
    Stage,
    Step,
    make_plan,
)
from .stores import consul, etcd

MADE_BY_US = frozenset({PROBE_LABEL, SPEC_LABEL})


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
    leaving = () if _has_others(fleet, facts) else fleet.names
    rest = [step for name in leaving for step in take_back(facts.hosts[name])]
    return make_plan(
        Stage("probes and anchors", tuple(containers)),
        Stage("network", tuple(network)),
        Stage("store and configuration", tuple(rest)),
    )


def _of(its: HostFacts) -> tuple[NetworkFact, ...]:
    return its.engine.networks if isinstance(its.engine, Engine) else ()


def _shared(network: NetworkFact) -> bool:
    return network.driver == "overlay" and network.scope == "global"


def _has_others(fleet: Fleet, facts: FleetFacts) -> bool:
    """Whether the store would go with other networks in it. Somebody else's stays."""
    return not fleet.store.external and any(
        _shared(n) and n.name != fleet.network.name for its in facts.hosts.values() for n in _of(its)
    )


def _has_network(its: HostFacts, name: str) -> bool:
    return any(_shared(network) and network.name == name for network in _of(its))


def take_back(its: HostFacts) -> list[Step]:
    """What takes the deployment from one host, but for its containers on networks and `brought_along`."""
    why = "it was made by the deployment"
    steps: list[Step] = []
    engine, unit, before = its.engine, its.unit, its.before
    steps += boot.remove(its.name, its.boot)
    steps += without_store(its, why)
    steps += gateway_bridge(its, why)
    if isinstance(unit, Unit) and unit.drop_in:
        keep = before is None or before.drop_in_folder
        steps.append(RemoveFile(its.name, why, DROP_IN, with_folder=not keep))
    carries = isinstance(unit, Unit) and any(a.startswith("--cluster-") for a in unit.arguments)
    if isinstance(unit, Unit) and (unit.drop_in or carries) and "--cluster-" not in unit.environment:
        stops = users_containers(engine) if isinstance(engine, Engine) else ()
        steps.append(RestartEngine(its.name, "without the cluster flags", stops))
    return steps


def without_store(its: HostFacts, why: str) -> list[Step]:
    """What takes a host's part of the store away, with its data and all that is there for it alone."""
    steps = [*backup_unit.remove(its.name, its.backup, why), *store_form.remove(its, why)]
    steps += [RemoveFile(its.name, why, path, with_folder=True) for path in sorted(its.credentials.files)]
    if its.store_config:
        path = etcd.CONFIG if etcd.is_config(its.store_config) else consul.CONFIG
        steps.append(RemoveFile(its.name, why, path, with_folder=True))
    return steps


def forget(fleet: Fleet, facts: FleetFacts) -> Plan:
    """The last of a teardown: images that were brought along, and the record itself."""
    if _has_others(fleet, facts):
        return Plan()
    steps: list[Step] = []
    for name in fleet.names:
        steps += brought_along(fleet, facts.hosts[name])
    return make_plan(Stage("what was brought along", tuple(steps)))


def brought_along(fleet: Fleet, its: HostFacts) -> list[Step]:
    """What takes the images from one host that it did not have, and the record of that."""
    # What a stopped engine still has can't be taken away yet, and must not be forgotten.
    if its.before is None or (isinstance(its.engine, Engine) and not its.engine.running):
        return []
    # In a swarm nobody has brought a store's.
    ours = (fleet.images.probe,) if fleet.in_swarm else (fleet.store.image, fleet.images.probe)
    steps = images_away(its, ours)
    return [*steps, RemoveFile(its.name, "the host is as it was", RECORD_PATH, with_folder=True)]


def images_away(its: HostFacts, images: Iterable[str]) -> list[Step]:
    """What takes those away that a host did not have before, and that nobody uses."""
    if its.before is None or not isinstance(its.engine, Engine):
        return []
    # A user's container may have been made from it since.
    used = {tagged(c.image) for c in its.engine.containers if not MADE_BY_US & c.labels.keys()}
    return [
        RemoveImage(its.name, "it was brought along", image)
        for image in dict.fromkeys(map(tagged, images))
        if image in its.engine.images and image not in its.before.images | used
    ]
