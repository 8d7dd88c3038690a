"""What an engine holds of a network: the containers on it, their endpoints, and what these leave behind."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Network
from typing import Any

from overweave.errors import (
    DeadlineExceeded,
    EngineError,
    Interrupted,
    OverweaveError,
    Refused,
    StoreError,
)
from overweave.facts import address_mask
from overweave.facts.libnetwork import ENDPOINTS
from overweave.facts.moving import kept
from overweave.facts.networks import NONE_HERE
from overweave.fleet import each
from overweave.ports import Engine, unless_gone
from overweave.steps import (
    ConnectContainer,
    DisconnectEndpoint,
    HoldAddresses,
    RejoinNetwork,
    RemoveNetwork,
    RewireContainer,
    RunContainer,
    StartContainers,
    StopContainers,
)
from overweave.waiting import wait_until

from .world import World

PERSIST_SECONDS = 5.0
NAME_TAKEN = "endpoint with name"
"""«… already exists in network …»."""


def run_container(step: RunContainer, engine: Engine, world: World) -> None:
    """Create and start. A start that failed leaves nothing, not even its endpoint in the store, which would
    keep the name. One that an earlier container of this name has left there, as one does whose engine was
    killed, goes first (403: the drill of certificates met it)."""

    def once() -> None:
        try:
            engine.create_container(step.name, step.spec)
            engine.start_container(step.name)
        except EngineError as e:
            if e.status in (403, 500):
                engine.remove_container(step.name)
                with contextlib.suppress(EngineError):
                    engine.disconnect(step.spec["HostConfig"]["NetworkMode"], step.name)
            raise

    if step.replace:
        engine.remove_container(step.name)
    persist(once, world, also=(NAME_TAKEN,))


def remove_network(step: RemoveNetwork, engine: Engine, world: World) -> None:
    """With what containers of ours, which are gone, have left on it. Raises `EngineError` if it is used."""

    def gone() -> None:
        try:
            unless_gone(engine.remove_network, step.name)
        except EngineError as e:
            e.hint = _has_endpoints(step.name)
            raise

    try:
        # Of 25 engines that let go of it at once, one was late with it (2 of 25 teardowns).
        # A swarm takes a moment to give back what a container of a worker had.
        persist(gone, world, also=("has active endpoints", "is in use by task"))
    except EngineError as e:
        left = [] if e.status == 500 else _ours(engine, step.name)
        if not left:
            raise
        for name in left:
            with contextlib.suppress(EngineError):
                engine.disconnect(step.name, name)
        persist(gone, world)


def _ours(engine: Engine, network: str) -> list[str]:
    """Names of endpoints on a network that no container of this engine has, and only ours can have had."""
    there = engine.network(network).get("Containers") or {}
    names = [str(its.get("Name")) for key, its in there.items() if str(key).startswith(NONE_HERE)]
    return [name for name in names if name.startswith(("overweave-anchor-", "overweave-probe-"))]


def _has_endpoints(network: str) -> str:
    return f"`docker network inspect {network}` lists the containers on it: disconnect or remove them first"


def disconnect_endpoint(step: DisconnectEndpoint, engine: Engine, world: World) -> None:
    """The engine looks for a container of that name first, then for one whose id begins so, and would take
    that off the network. Raises `Refused` where it has one."""
    if world.store.get(f"{ENDPOINTS}{step.network}/{step.endpoint}/") is None:
        return
    found = unless_gone(engine.container, step.name)
    if found is not None:
        its = f"{str(found['Name']).lstrip('/')} ({str(found['Id'])[:12]})"
        raise Refused(
            f"endpoint {step.name} of network {step.network_name} can't be disconnected here: the engine "
            f"takes that name for its container {its}",
            hint=f"`docker network disconnect -f {step.network_name} {step.name}` on a host that has no "
            "container of that name, and none whose id begins with it",
        )
    unless_gone(engine.disconnect, step.network, step.name)


def rejoin_network(step: RejoinNetwork, engine: Engine, world: World) -> None:
    """With the names and options that it had there; a container that is off it already is only joined.

    Whatever fails, it is put on the network again: that is tried even after an interruption.
    """
    found = unless_gone(engine.container, step.container)
    if found is None:
        return
    networks = found["NetworkSettings"]["Networks"]
    its = networks.get(step.network_name)
    if its and step.endpoint and its.get("EndpointID") != step.endpoint:
        return
    settings = kept(its or {}, str(found["Id"]))

    def connect() -> None:
        persist(lambda: _connect(engine, step.network, step.container, settings), world)

    failed: OverweaveError | None = None
    try:
        if step.network_name in networks:
            persist(lambda: unless_gone(engine.disconnect, step.network, step.container), world)
        try:
            if step.keep:
                hold_addresses(step.keep, world)
        except Interrupted:
            raise
        except OverweaveError as e:
            failed = e
        connect()
    except (OverweaveError, KeyboardInterrupt) as e:
        engine.hang_up()
        try:
            with world.cancel.lifted():
                connect()
        except OverweaveError as final:
            raise _off(step, settings, world, e, final) from final
        raise
    if failed:
        raise failed


def connect_container(step: ConnectContainer, engine: Engine, world: World) -> None:
    """An overlay that another engine has just made is known here a moment later, and a worker that has just
    let go of a swarm's knows it as it was for a moment."""
    settings: dict[str, Any] = {"Aliases": list(step.aliases)} if step.aliases else {}
    if step.address:
        settings["IPAMConfig"] = {"IPv4Address": step.address}
    persist(
        lambda: _connect(engine, step.network, step.container, settings),
        world,
        also=("not found",),
    )


def _connect(engine: Engine, network: str, container: str, settings: Mapping[str, Any]) -> None:
    try:
        engine.connect(network, container, settings)
    except EngineError as e:
        # A call that failed, or was broken off, may have put it there.
        if not (e.status == 403 and "already attached" in e.message):
            raise


def _off(
    step: RejoinNetwork,
    settings: Mapping[str, Any],
    world: World,
    cause: BaseException,
    final: OverweaveError,
) -> OverweaveError:
    """What tells how to connect by hand. An interrupted run ends with no more than that: then it is told
    as progress, too."""
    options = [("--alias", alias) for alias in settings.get("Aliases", ())]
    options += [("--link", link) for link in settings.get("Links", ())]
    options += [("--driver-opt", f"{key}={value}") for key, value in settings.get("DriverOpts", {}).items()]
    if address := settings.get("IPAMConfig", {}).get("IPv4Address"):
        options.append(("--ip", address))
    words = [str(word) for option in options for word in option]
    off = f"{step.container} is off {step.network_name}"
    hint = f"`{shlex.join(['docker', 'network', 'connect', *words, step.network_name, step.container])}`"
    if isinstance(cause, Interrupted | KeyboardInterrupt):
        world.progress(step.host, f"{off}: {hint}")
        return Interrupted(f"interrupted: {off}", host=step.host, hint=f"{hint} on the host")
    return OverweaveError(f"{off}: {final.message}", host=step.host, hint=f"{hint} on the host")


def start_containers(step: StartContainers, engine: Engine, world: World) -> None:
    """A container that is gone by now is no error."""

    def start(name: str) -> None:
        persist(lambda: unless_gone(engine.start_container, name), world)

    each(step.names, start, cancel=world.cancel).all()


def stop_containers(step: StopContainers, engine: Engine, world: World) -> None:
    each(step.names, lambda name: unless_gone(engine.stop_container, name), cancel=world.cancel).all()


def rewire_container(step: RewireContainer, engine: Engine, world: World) -> None:
    """An engine takes a container that is stopped off a network by its name, whether it knows that or not,
    and puts it on one that it will know when the container starts (measured with a worker, 20.10)."""
    found = unless_gone(engine.container, step.container)
    if found is None:
        return
    if (found.get("State") or {}).get("Running"):
        engine.stop_container(step.container)
    on = set((found.get("NetworkSettings") or {}).get("Networks") or {})
    for network in step.leave:
        if network in on:
            engine.disconnect(network, step.container)
    for network, settings in step.join.items():
        if network not in on or network in step.leave:
            engine.connect(network, step.container, settings)


def hold_addresses(step: HoldAddresses, world: World) -> None:
    """Engines change the mask, too: what another one wrote meanwhile is read again."""

    def held() -> bool:
        old = world.store.get(step.key)
        try:
            if old is None:
                raise ValueError("it is gone")
            mask = address_mask.parse(old)
            subnet = IPv4Network(step.subnet)
            new = address_mask.with_taken(mask, (address_mask.number_of(a, subnet) for a in step.addresses))
        except ValueError as e:
            raise StoreError(
                f"the addresses of {step.subnet} can't be noted in the store: {e}",
                hint="see `fab doctor`: containers have these addresses, and others may get them",
            ) from e
        return new == mask or world.store.swap(step.key, old, address_mask.value_of(new))

    wait_until(held, what=f"noting addresses of {step.subnet}", seconds=PERSIST_SECONDS, clock=world.clock)


def persist(act: Callable[[], object], world: World, *, also: Sequence[str] = ()) -> None:
    """Try again for some seconds where the engine fails inside (status 500), or says what may pass, one of
    ``also``; once in any case.

    With a stuck thread (see `anchor`) it reaches its store at one try and not at the other. An engine of a
    swarm gives up after 20 s where a manager does not attach a container in time, as one that has just become
    one on a busy machine ("context deadline exceeded").
    """
    failures: list[EngineError] = []

    def attempt() -> bool:
        try:
            act()
        except EngineError as e:
            if e.status != 500 and not any(words in e.message for words in also):
                raise
            failures.append(e)
            return False
        return True

    try:
        wait_until(attempt, what="", seconds=PERSIST_SECONDS, clock=world.clock, interval=0.2)
    except DeadlineExceeded:
        if len(failures) > 1 or not attempt():
            raise failures[-1] from None
