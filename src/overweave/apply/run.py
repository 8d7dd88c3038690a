"""Runs a plan, stage by stage: the only place that changes a host."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any

from .command import change_script
from .errors import (
    CommandFailed,
    ConnectionProblem,
    DeadlineExceeded,
    EngineError,
    GossipError,
    OverweaveError,
    Refused,
)
from .facts.record import PATH as RECORD_PATH
from .facts.unit import UNIT
from .fleet import Cancel, each
from .gossip.exchange import PORT, exchange
from .gossip.islands import View, islands, remedies, unseen
from .gossip.wire import Member
from .ports import Clock, Engine, KeyValue, Progress, Reader, Writer
from .steps import (
    AwaitLeader,
    CreateNetwork,
    JoinGossip,
    Plan,
    ProvideImage,
    RecordBefore,
    RemoveContainer,
    RemoveFile,
    RemoveImage,
    RemoveNetwork,
    RemoveVolume,
    RestartEngine,
    RunContainer,
    StartContainer,
    Step,
    WriteFile,
)
from .waiting import wait_until

LEADER_SECONDS = 30.0
GOSSIP_SECONDS = 45.0
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
RESTART = """\
systemctl daemon-reload && { systemctl reset-failed "$1" 2>/dev/null; systemctl restart "$1"; } && exit
status=$?
journalctl -u "$1" -o cat -n 8 --no-pager 2>/dev/null
exit $status
"""


@dataclass
class World:
    """What apply works on. ``store`` talks to the store through its host."""

    writers: Mapping[str, Writer]
    store: KeyValue
    clock: Clock
    cancel: Cancel
    progress: Progress


@dataclass
class Done:
    """What came of a plan. ``islands`` are those that the gossip had when it was first whole enough to
    be read, where there was more than one: they were healed."""

    steps: list[Step] = field(default_factory=list)
    islands: list[tuple[str, ...]] = field(default_factory=list)


def apply(plan: Plan, world: World) -> Done:
    """Do all steps. Raises the error of the first stage in which a host failed; later stages don't run."""
    done = Done()
    for stage in plan.stages:
        by_host: dict[str, list[Step]] = {}
        for step in stage.steps:
            by_host.setdefault(step.host, []).append(step)

        def work(host: str, by_host: dict[str, list[Step]] = by_host) -> None:
            for step in by_host[host]:
                world.cancel.check()
                world.progress(host, f"{step}: {step.why}" if step.restarts else str(step))
                try:
                    if isinstance(step, JoinGossip):
                        done.islands = join_gossip(step, world)
                    else:
                        _do(step, world)
                except OverweaveError as e:
                    e.host = e.host or host
                    raise
                done.steps.append(step)

        if "" in by_host:
            work("")
        each([host for host in by_host if host], work, cancel=world.cancel).all()
    return done


def _do(step: Step, world: World) -> None:
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
            )
        case RemoveContainer():
            engine.remove_container(step.name)
        case RemoveVolume():
            _unless_gone(lambda: engine.remove_volume(step.name))
        case RemoveImage():
            _unless_gone(lambda: engine.remove_image(step.name))
        case JoinGossip():
            raise AssertionError("a step of the whole fleet has no host")


def _write(writer: Writer, path: str, content: str, *, mode: str = "644", folder_mode: str = "755") -> None:
    """Atomically: a host that loses power in the middle has the old file or the new one."""
    writer.do(change_script(WRITE, path, mode, folder_mode, stdin=content.encode()))


def _restart(writer: Writer) -> None:
    # reset-failed: the unit allows 3 starts in 60 s and would refuse the fourth (engine-facts).
    try:
        writer.do(change_script(RESTART, UNIT))
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


def _persist(act: Callable[[], object], world: World) -> None:
    """Try again for some seconds where the engine fails inside (status 500).

    With a stuck thread (see `anchor`) it reaches its store at one try and not at the other.
    """
    failures: list[EngineError] = []

    def attempt() -> bool:
        try:
            act()
        except EngineError as e:
            if e.status != 500:
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


def _unless_gone(remove: Callable[[], None], *, hint: str = "") -> None:
    try:
        remove()
    except EngineError as e:
        if e.status != 404:
            e.hint = e.hint or hint
            raise


def _has_endpoints(network: str) -> str:
    return f"`docker network inspect {network}` lists the containers on it: disconnect or remove them first"


def view(reader: Reader, address: str) -> View | None:
    """What the engine of a host knows; None where its gossip does not answer (yet)."""
    try:
        members = exchange(reader.stream(address, PORT))
    except (ConnectionProblem, GossipError):
        return None
    return View(IPv4Address(address), members)


def join_gossip(step: JoinGossip, world: World) -> list[tuple[str, ...]]:
    """Wait until all engines gossip, and tell each what it misses until all see all.

    Islands never merge by themselves (moby#35807), and a push/pull of the missing members merges them
    at once, with no restart (engine-facts). Returns the islands, if there was more than one.

    Raises `DeadlineExceeded`, naming who does not see whom.
    """
    found: list[tuple[str, ...]] = []
    state = "no engine has answered"

    def look_and_heal() -> bool:
        nonlocal found, state
        seen = each(
            step.addresses,
            lambda name: view(world.writers[name], step.addresses[name]),
            cancel=world.cancel,
        ).all()
        views = {name: its for name, its in seen.items() if its is not None}
        silent = [name for name in step.addresses if name not in views]
        missing = unseen(views)
        if silent:
            state = f"no gossip from {', '.join(silent)}"
            return False
        if not missing:
            return True
        parts = islands(views)
        if len(parts) > max(1, len(found)):
            found = parts
            world.progress("", "gossip is split: " + " | ".join(", ".join(part) for part in parts))
        state = "; ".join(f"{name} does not see {', '.join(others)}" for name, others in missing.items())
        told = remedies(views)
        each(
            told,
            lambda name: _tell(world.writers[name], step.addresses[name], told[name]),
            cancel=world.cancel,
        )
        return False

    try:
        wait_until(look_and_heal, what="gossip", seconds=GOSSIP_SECONDS, clock=world.clock)
    except OverweaveError as e:
        if e.exit_code == 6:
            e.message = f"the gossip is not whole after {GOSSIP_SECONDS:g} s: {state}"
            e.hint = "open TCP and UDP 7946 between all hosts, both ways"
        raise
    return found


def _tell(reader: Reader, address: str, members: tuple[Member, ...]) -> None:
    exchange(reader.stream(address, PORT), members)
