"""May the store be put back to a backup, and by which steps? Pure.

A store that was put back hands out VNIs and addresses as it knew them, and forgets networks that it did not
know, whatever hosts use now. What would collide is found before anything is changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from .advertise import ENGINE_PORT
from .audit import stamp
from .backends import cluster_store
from .backup import About, Backup, Network
from .facts.attachments import Attachment
from .facts.engine import Engine
from .facts.libnetwork import NODES
from .facts.live import HostLive, Live
from .facts.namespaces import belongs
from .model import Fleet
from .preflight import store
from .preflight.finding import Finding, error, note, warning
from .steps import (
    JoinGossip,
    Plan,
    RestoreKeys,
    RestoreStore,
    Stage,
    make_plan,
)

FORCIBLE = frozenset({"restore.forgets", "restore.strangers"})
"""Checks whose errors ``--force`` passes over: what they tell of loses something, and breaks nothing that
runs. What the others tell of would."""
SHOWN = 5


def findings(fleet: Fleet, live: Live, about: About, running: str = "") -> list[Finding]:
    """Errors forbid it; see `FORCIBLE`. ``running`` is the version of the store's program that runs now."""
    if about.kind != fleet.store.title:
        return [
            error(
                "restore.kind",
                f"the backup is of a store in {about.kind}, and these hosts have one in {fleet.store.title}",
                matters="what the one holds can't be put into the other",
                fix="name a backup of this store; where there is none, `fab store-rebuild` writes what the "
                "hosts know",
            )
        ]
    return [
        *_servers(fleet, live),
        *_engines_run(live),
        *_version(about, running),
        *_used(live, about),
        *_vnis(live, about),
        *_forgotten(live, about),
        *_engines(live, about),
        *_later(live, about),
    ]


def plan(fleet: Fleet, live: Live, backup: Backup) -> Plan:
    """The store's own steps of a deployment where none runs; then the backup, and the gossip.

    No engine has to restart: each takes up with the store again at its next heartbeat (measured, also where
    the store was lost and made anew in between).
    """
    why = f"it is put back to the backup {backup.about.told}"
    gossip = {name: live.vteps[name] for name in live.carrying if name in live.vteps}
    engines = {name: f"{address}:{ENGINE_PORT}" for name, address in gossip.items()}
    at, told = fleet.store_host.name, backup.about.told
    restore = (
        RestoreKeys(at, why, told, _lasting(backup), engines)
        if fleet.store.in_etcd
        else RestoreStore(at, why, told, backup.snapshot, engines, live.fleet.credentials)
    )
    runs = live.fleet.store is not None and live.fleet.store.leader
    return make_plan(
        *(() if runs else cluster_store.store(fleet, live.fleet).stages),
        Stage("restore", (restore,)),
        Stage("gossip", (JoinGossip("", "engines take up with the store again", gossip),)),
    )


def _servers(fleet: Fleet, live: Live) -> list[Finding]:
    """A server of etcd without its data can't begin beside others that have theirs. While there is a leader
    none has to begin."""
    its = live.fleet.store
    return [] if not fleet.store.in_etcd or (its and its.leader) else store.place(fleet, live.fleet)


def _lasting(backup: Backup) -> dict[str, bytes]:
    """What is put back: the registrations of engines last for seconds, and are their own to write."""
    return {key: value for key, value in backup.keys.tree.items() if not key.startswith(NODES)}


def _engines_run(live: Live) -> Iterator[Finding]:
    for name, its in live.fleet.hosts.items():
        if not isinstance(its.engine, Engine) or not its.engine.running:
            yield error(
                "restore.engine",
                "its engine does not run",
                host=name,
                matters="what its containers use of the networks can't be seen",
                fix="start it: `systemctl start docker`",
            )
        elif name not in live.carrying:
            yield error(
                "restore.engine",
                "its engine has no cluster store",
                host=name,
                matters="networks that come back would be missing there",
                fix="`fab deploy-overlay` gives it one; restore after that",
            )


def _version(about: About, running: str) -> Iterator[Finding]:
    there, wanted = _numbers(running), _numbers(about.consul)
    if there and wanted and wanted > there:
        yield error(
            "restore.version",
            f"the backup is of Consul {about.consul}, and {running} runs here",
            matters="an older Consul does not know all that a newer one has written",
            fix=f"set `store: image:` to a Consul {about.consul} or later in the inventory, and deploy",
        )


def _numbers(version: str) -> tuple[int, ...]:
    """Major and minor: a snapshot fits between patches."""
    found = re.match(r"(\d{1,6})\.(\d{1,6})", version)
    return (int(found[1]), int(found[2])) if found else ()


def _running(live: Live) -> Iterator[tuple[str, Attachment]]:
    """Containers that run on an overlay, also where no store knows that network any more."""
    known = set(live.records.networks) if live.records else set()
    for host, its in live.hosts.items():
        for attached in its.attachments or ():
            on_overlay = attached.network in known or _has_space(its, attached.network)
            if attached.running and attached.endpoint and on_overlay:
                yield host, attached


def _has_space(its: HostLive, network: str) -> bool:
    return bool(network) and any(belongs(name, network) for name in its.docker)


def _used(live: Live, about: About) -> Iterator[Finding]:
    users: dict[str, list[tuple[str, Attachment]]] = {}
    for host, attached in _running(live):
        if about.network(attached.network) is None:
            users.setdefault(attached.network, []).append((host, attached))
    for id_, its in users.items():
        name = its[0][1].network_name
        yield error(
            "restore.unknown",
            f"network {name} (id {id_[:12]}) is in use by {_some(f'{a.container} on {h}' for h, a in its)}, "
            "and the backup does not know it",
            matters="nobody could join or leave it any more, and its VNI would be given to another network",
            fix=f"take a newer backup, or take these containers off it: `docker network disconnect -f {name} "
            f"{its[0][1].container}` on {its[0][0]}",
        )


def _vnis(live: Live, about: About) -> Iterator[Finding]:
    owners = {vni: network for network in about.networks for vni in network.vnis}
    for host, seen in live.hosts.items():
        for name, space in seen.docker.items():
            its = _network_of(name, about.networks)
            for vni in sorted({link.vni for link in space.vxlans()}):
                owner = owners.get(vni)
                if its is not None and vni not in its.vnis:
                    yield error(
                        "restore.vni",
                        f"network {its.name} (id {its.id[:12]}) has VNI {vni} there, and "
                        f"{', '.join(map(str, its.vnis)) or 'none'} in the backup",
                        host=host,
                        matters="containers that join behind the restore would not reach those that run",
                        fix="take another backup, or stop the containers of that network first",
                    )
                elif its is None and owner is not None:
                    yield error(
                        "restore.vni",
                        f"VNI {vni} is in use there, in namespace {name}, by a network that the backup does "
                        f"not know, and the backup gives it to {owner.name} (id {owner.id[:12]})",
                        host=host,
                        matters="the two would share their packets, or fail to make their devices",
                        fix="take a newer backup, or stop the containers of that network first; `fab doctor` "
                        "tells of devices that nobody uses",
                    )


def _network_of(namespace: str, networks: Iterable[Network]) -> Network | None:
    return next((its for its in networks if belongs(namespace, its.id)), None)


def _forgotten(live: Live, about: About) -> Iterator[Finding]:
    used = {attached.network for _, attached in _running(live)}
    for id_, network in (live.records.networks if live.records else {}).items():
        if about.network(id_) is None and id_ not in used:
            subnets = ", ".join(str(s.subnet) for s in network.subnets) or "no subnet"
            yield error(
                "restore.forgets",
                f"the backup does not know network {network.name} (id {id_[:12]}, {subnets}), which nothing "
                "runs on",
                matters="it would be gone, and containers that are stopped on it could not start",
                fix="take a newer backup, or add --force to let it go",
            )


def _engines(live: Live, about: About) -> Iterator[Finding]:
    own = {f"{address}:{ENGINE_PORT}" for address in (*live.vteps.values(), *live.chosen.values())}
    others = [engine for engine in about.engines if engine not in own]
    if about.engines and len(others) == len(about.engines):
        yield error(
            "restore.strangers",
            f"none of the engines in the backup is one of these hosts': {_some(others)}",
            matters=f"it is of other hosts ({_some(about.hosts)})",
            fix="name the right file, or add --force where these hosts have taken the place of those",
        )
    elif others:
        gone = ",".join(engine.rpartition(":")[0] for engine in others)
        yield note(
            "restore.gone",
            f"engines of the backup that are none of these hosts': {_some(others)}",
            matters="their endpoints come back with it",
            fix=f"`fab repair --gone {gone}` disconnects them",
        )


def _later(live: Live, about: About) -> Iterator[Finding]:
    """Only a number can be told: which endpoints a backup has is inside the snapshot."""
    if live.records is None:
        return
    counts: dict[str, int] = {}
    for endpoint in live.records.endpoints:
        counts[endpoint.network] = counts.get(endpoint.network, 0) + 1
    for network in about.networks:
        now = counts.get(network.id, 0)
        if now != network.endpoints:
            yield warning(
                "restore.later",
                f"network {network.name} has {now} endpoints now, and {network.endpoints} in the backup",
                matters=f"those that joined since {stamp(about.made, ' ')} and run are noted again, stopped "
                "ones get another address",
                fix="take a newer backup if there is one",
            )


def _some(names: Iterable[str]) -> str:
    all_ = list(names)
    more = f" and {len(all_) - SHOWN} more" if len(all_) > SHOWN else ""
    return ", ".join(all_[:SHOWN]) + more
