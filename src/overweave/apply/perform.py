"""Does one step on one host."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Mapping
from ipaddress import IPv4Network
from typing import Any

from overweave.command import change_script
from overweave.errors import (
    CommandFailed,
    DeadlineExceeded,
    EngineError,
    Interrupted,
    OverweaveError,
    Refused,
    StoreError,
)
from overweave.facts import address_mask
from overweave.facts.libnetwork import ENDPOINTS
from overweave.facts.record import PATH as RECORD_PATH
from overweave.facts.unit import UNIT
from overweave.ports import Engine, Progress, Writer
from overweave.steps import (
    AwaitLeader,
    CreateNetwork,
    DisconnectEndpoint,
    HoldAddresses,
    JoinGossip,
    MendRows,
    PassGate,
    ProvideImage,
    RecordBefore,
    RejoinNetwork,
    RemoveContainer,
    RemoveFile,
    RemoveImage,
    RemoveNetwork,
    RemoveVolume,
    RemoveVxlan,
    RestartEngine,
    RunContainer,
    StartContainer,
    Step,
    WriteFile,
)
from overweave.waiting import wait_until

from .overlay_rows import mend_rows, remove_vxlan
from .world import World

LEADER_SECONDS = 30.0
PERSIST_SECONDS = 5.0

SHOWN = 5_000_000
"""Bytes of an upload above which its progress is worth a line."""

WRITE = """\
set -e
umask 022
mkdir -p -m "$3" "$(dirname "$1")"
cat > "$1.new"
chmod "$2" "$1.new"
sync "$1.new" 2>/dev/null || true
mv "$1.new" "$1"
"""
REMOVE = """\
rm -f "$1" "$1.new" || exit
if [ "$2" ]; then rmdir "$(dirname "$1")" 2>/dev/null; fi
true
"""
RESTART_SECONDS = 90
"""An engine whose overlay can't come holds its own start up for 60 s (measured)."""
RESTART = """\
systemctl daemon-reload && {
  systemctl reset-failed "$1" 2>/dev/null
  timeout "$2" systemctl restart "$1"
} && exit
status=$?
[ "$status" != 124 ] || echo "it was not up after $2 s"
journalctl -u "$1" -o cat -n 8 --no-pager 2>/dev/null
exit $status
"""


def perform(step: Step, world: World) -> None:
    writer = world.writers[step.host]
    engine = writer.engine
    match step:
        case RecordBefore():
            _write(writer, RECORD_PATH, step.before.text(), mode="600", folder_mode="700")
        case WriteFile():
            _write(writer, step.path, step.content)
        case RemoveFile():
            writer.do(change_script(REMOVE, step.path, "yes" if step.with_folder else ""))
        case RestartEngine():
            _restart(writer)
        case ProvideImage():
            _provide(step, writer, world.progress)
        case RunContainer():
            if step.replace:
                engine.remove_container(step.name)
            _persist(lambda: _run(engine, step.name, step.spec), world)
        case StartContainer():
            engine.start_container(step.name)
        case AwaitLeader():
            wait_until(
                lambda: world.store.leader(),
                what="the store has elected no leader",
                seconds=LEADER_SECONDS,
                clock=world.clock,
                host=step.host,
                hint="see `docker logs consul` on the host",
                # All hosts wait for it, 1-2 s, and asking takes 3 ms.
                longest=0.1,
            )
        case CreateNetwork():
            # A store that was away comes back with its networks.
            if not any(network["Name"] == step.name for network in engine.networks()):
                _persist(lambda: engine.create_network(step.spec), world)
        case RemoveNetwork():
            _persist(
                lambda: _unless_gone(
                    lambda: engine.remove_network(step.name), hint=_has_endpoints(step.name)
                ),
                world,
                # Of 25 engines that let go of it at once, one was late with it (2 of 25 teardowns).
                also="has active endpoints",
            )
        case RemoveContainer():
            engine.remove_container(step.name)
        case RemoveVolume():
            _unless_gone(lambda: engine.remove_volume(step.name))
        case RemoveImage():
            _unless_gone(lambda: engine.remove_image(step.name))
        case MendRows():
            mend_rows(step, writer)
        case DisconnectEndpoint():
            _disconnect(step, engine, world)
        case RemoveVxlan():
            remove_vxlan(step, writer)
        case RejoinNetwork():
            _rejoin(engine, step, world)
        case HoldAddresses():
            _hold(step, world)
        case JoinGossip() | PassGate():
            raise AssertionError("a step of the whole fleet has no host")


def _write(writer: Writer, path: str, content: str, *, mode: str = "644", folder_mode: str = "755") -> None:
    """Atomically: a host that loses power in the middle has the old file or the new one."""
    writer.do(change_script(WRITE, path, mode, folder_mode, stdin=content.encode()))


def _restart(writer: Writer) -> None:
    # reset-failed: the unit allows 3 starts in 60 s and would refuse the fourth (engine-facts).
    try:
        writer.do(change_script(RESTART, UNIT, str(RESTART_SECONDS)))
    except CommandFailed as e:
        raise OverweaveError(
            "the engine does not start:\n" + "\n".join(f"    {line}" for line in e.output.splitlines()[-8:]),
            host=writer.host.name,
            hint="see `journalctl -u docker` on the host; `fab destroy-overlay` puts its unit back",
        ) from e
    finally:
        writer.engine.hang_up()


def _provide(step: ProvideImage, writer: Writer, progress: Progress) -> None:
    if step.archive is not None:
        shown = 0

        def sent(done: int, size: int) -> None:
            nonlocal shown
            percent = 100 * done // max(size, 1)
            if size > SHOWN and percent // 25 > shown:
                shown = percent // 25
                progress(step.host, f"upload image {step.image}: {percent} % of {size / 1e6:.0f} MB")

        writer.engine.load_image(step.image, step.archive, sent)
        return
    try:
        writer.engine.pull_image(step.image)
    except EngineError as e:
        raise Refused(
            f"image {step.image} is not on the host, in no archive of the inventory, and can't be pulled: "
            f"{e.message.removeprefix(f'pulling image {step.image}: ')}",
            host=step.host,
            hint=f"`docker save -o FILE {step.image}` where there is one, and name the FILE under "
            "`images: archives:` in the inventory",
        ) from e


def _persist(act: Callable[[], object], world: World, *, also: str = "") -> None:
    """Try again for some seconds where the engine fails inside (status 500), or says what ``also`` may pass.

    With a stuck thread (see `anchor`) it reaches its store at one try and not at the other.
    """
    failures: list[EngineError] = []

    def attempt() -> bool:
        try:
            act()
        except EngineError as e:
            if e.status != 500 and not (also and also in e.message):
                raise
            failures.append(e)
            return False
        return True

    try:
        wait_until(attempt, what="", seconds=PERSIST_SECONDS, clock=world.clock, interval=0.2)
    except DeadlineExceeded:
        raise failures[-1] from None


def _run(engine: Engine, name: str, spec: Mapping[str, Any]) -> None:
    """Create and start. A start that failed leaves nothing, not even its endpoint in the store, which would
    keep the name."""
    try:
        engine.create_container(name, spec)
        engine.start_container(name)
    except EngineError as e:
        if e.status == 500:
            engine.remove_container(name)
            with contextlib.suppress(EngineError):
                engine.disconnect(spec["HostConfig"]["NetworkMode"], name)
        raise


def _disconnect(step: DisconnectEndpoint, engine: Engine, world: World) -> None:
    """The engine looks for a container of that name first, then for one whose id begins so, and would take
    that off the network. Raises `Refused` where it has one."""
    if world.store.get(f"{ENDPOINTS}{step.network}/{step.endpoint}/") is None:
        return
    try:
        found = engine.container(step.name)
    except EngineError as e:
        if e.status != 404:
            raise
    else:
        its = f"{str(found['Name']).lstrip('/')} ({str(found['Id'])[:12]})"
        raise Refused(
            f"endpoint {step.name} of network {step.network_name} can't be disconnected here: the engine "
            f"takes that name for its container {its}",
            hint=f"`docker network disconnect -f {step.network_name} {step.name}` on a host that has no "
            "container of that name, and none whose id begins with it",
        )
    _unless_gone(lambda: engine.disconnect(step.network, step.name))


def _rejoin(engine: Engine, step: RejoinNetwork, world: World) -> None:
    """With the names and options that it had there; a container that is off it already is only joined.

    Whatever fails, it is put on the network again: that is tried even after an interruption.
    """
    try:
        found = engine.container(step.container)
    except EngineError as e:
        if e.status == 404:
            return
        raise
    networks = found["NetworkSettings"]["Networks"]
    its = networks.get(step.network_name)
    if its and step.endpoint and its.get("EndpointID") != step.endpoint:
        return
    settings = _kept(its or {}, str(found["Id"]))

    def connect() -> None:
        _persist(once, world)

    def once() -> None:
        try:
            engine.connect(step.network, step.container, settings)
        except EngineError as e:
            # A call that failed, or was broken off, may have put it there.
            if not (e.status == 403 and "already attached" in e.message):
                raise

    failed: OverweaveError | None = None
    try:
        if step.network_name in networks:
            _persist(lambda: _unless_gone(lambda: engine.disconnect(step.network, step.container)), world)
        try:
            if step.keep:
                _hold(step.keep, world)
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


def _kept(its: Mapping[str, Any], id_: str) -> dict[str, Any]:
    # The short id is the engine's own addition, and it refuses to be told of it.
    aliases = [a for a in its.get("Aliases") or () if not id_.startswith(str(a))]
    kept = {
        "Aliases": aliases,
        "Links": its.get("Links"),
        "DriverOpts": its.get("DriverOpts"),
        "IPAMConfig": its.get("IPAMConfig"),
    }
    return {key: value for key, value in kept.items() if value}


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


def _hold(step: HoldAddresses, world: World) -> None:
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


def _unless_gone(remove: Callable[[], None], *, hint: str = "") -> None:
    try:
        remove()
    except EngineError as e:
        if e.status != 404:
            e.hint = e.hint or hint
            raise


def _has_endpoints(network: str) -> str:
    return f"`docker network inspect {network}` lists the containers on it: disconnect or remove them first"
