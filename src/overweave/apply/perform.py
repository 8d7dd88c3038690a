"""Does one step on one host."""

from __future__ import annotations

import contextlib

from overweave.command import Secret, change_script
from overweave.credentials import MODE
from overweave.errors import (
    CommandFailed,
    EngineError,
    OverweaveError,
    Refused,
    StoreError,
)
from overweave.facts.record import PATH as RECORD_PATH
from overweave.facts.unit import UNIT
from overweave.gossip import events
from overweave.gossip.exchange import PORT
from overweave.ports import Progress, Writer, unless_gone
from overweave.steps import (
    RELOAD,
    AddMember,
    AwaitAgent,
    AwaitLeader,
    ChangeAutolock,
    ChangeRole,
    CheckVersion,
    ConnectContainer,
    CreateNetwork,
    DisconnectEndpoint,
    ForgetAgent,
    ForgetQuorum,
    GrantAccess,
    HoldAddresses,
    InitSwarm,
    InstallUnit,
    JoinGossip,
    JoinSwarm,
    LeaveNetwork,
    LeaveSwarm,
    MendRows,
    MoveStore,
    PassGate,
    ProvideImage,
    PutKeys,
    RecordBefore,
    RecoverQuorum,
    RejoinNetwork,
    RemoveContainer,
    RemoveFile,
    RemoveImage,
    RemoveMember,
    RemoveNetwork,
    RemoveNode,
    RemovePeer,
    RemoveService,
    RemoveUnit,
    RemoveVolume,
    RemoveVxlan,
    RenewAuthority,
    RenewJoinTokens,
    RenewUnlockKey,
    RestartEngine,
    RestoreKeys,
    RestoreStore,
    RetireServer,
    RewireContainer,
    RunContainer,
    RunService,
    StartContainer,
    StartContainers,
    StartService,
    Step,
    StopContainers,
    TakeOverSwarm,
    TellLeft,
    UnlockSwarm,
    UpgradeEngine,
    WriteFile,
    WriteSecret,
    is_version,
)
from overweave.waiting import wait_until

from .endpoints import (
    connect_container,
    disconnect_endpoint,
    hold_addresses,
    persist,
    rejoin_network,
    remove_network,
    rewire_container,
    run_container,
    start_containers,
    stop_containers,
)
from .forget_agent import forget_agent
from .members import change_members
from .overlay_rows import mend_rows, remove_vxlan
from .store_access import grant_access
from .store_forms import change_form
from .store_restore import restore_keys, restore_store
from .store_servers import change_servers
from .swarm import change_swarm
from .swarm_secrets import change_lock, renew
from .world import World

LEADER_SECONDS = 30.0

SHOWN = 5_000_000
"""Bytes of an upload above which its progress is worth a line."""

WRITE = """\
set -e
umask 022
mkdir -p -m "$3" "$(dirname "$1")"
rm -f "$1.new"
(umask 077 && cat > "$1.new")
chmod "$2" "$1.new"
sync "$1.new" 2>/dev/null || true
mv "$1.new" "$1"
"""
REMOVE = """\
rm -f "$1" "$1.new" || exit
if [ "$2" ]; then rmdir "$(dirname "$1")" 2>/dev/null; fi
true
"""
INSTALL_UNIT = """\
set -e
umask 022
unit=$1
shift
while [ $# -gt 0 ]; do
  mkdir -p "$(dirname "$1")"
  printf %s "$2" > "$1.new"
  chmod 644 "$1.new"
  sync "$1.new" 2>/dev/null || true
  mv "$1.new" "$1"
  shift 2
done
systemctl daemon-reload
systemctl --quiet enable "$unit"
case $unit in
*.timer)
  # systemd takes a timer whose calendar it can't read, and leaves that out.
  when=$(sed -n 's/^OnCalendar=//p' "/etc/systemd/system/$unit")
  systemd-analyze calendar "$when" > /dev/null 2>&1 || {
    echo "systemd reads no time out of '$when': \\`systemd-analyze calendar\\` on the host tries others"
    exit 1
  }
  systemctl restart "$unit"
  ;;
overweave-shim-*)
  systemctl restart "$unit" || {
    journalctl -u "$unit" -o cat -n 4 --no-pager 2>/dev/null
    exit 1
  }
  ;;
esac
"""
REMOVE_UNIT = """\
unit=$1 folder=$2
shift 2
systemctl --quiet disable --now "$unit" 2>/dev/null
rm -f "$@" "/var/lib/systemd/timers/stamp-$unit" || exit
systemctl daemon-reload
for file in "$@"; do
  case $file in /etc/systemd/system/*) systemctl --quiet reset-failed "${file##*/}" 2>/dev/null ;; esac
done
[ ! "$folder" ] || rmdir "$folder" 2>/dev/null
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
        case WriteSecret():
            _write(writer, step.path, step.content, mode=MODE, then=RELOAD if step.reload else "")
        case RemoveFile():
            writer.do(change_script(REMOVE, step.path, "yes" if step.with_folder else ""))
        case InstallUnit():
            words = (word for file in step.files.items() for word in file)
            writer.do(change_script(INSTALL_UNIT, step.unit, *words))
        case RemoveUnit():
            writer.do(change_script(REMOVE_UNIT, step.unit, step.folder, *step.files))
        case RestartEngine():
            _restart(writer)
        case UpgradeEngine():
            _upgrade(step, writer)
        case ProvideImage():
            _provide(step, writer, world.progress)
        case RunContainer():
            run_container(step, engine, world)
        case StartContainer():
            engine.start_container(step.name)
        case StopContainers():
            stop_containers(step, engine, world)
        case StartContainers():
            start_containers(step, engine, world)
        case RewireContainer():
            rewire_container(step, engine, world)
        case RunService() | StartService() | RemoveService() | MoveStore():
            change_form(step, writer)
        case AwaitLeader():
            # Another host's part of the store may have one while this host's is still on its way back to it.
            wait_until(
                world.at(step.host).leader,
                what="the store has elected no leader",
                seconds=LEADER_SECONDS,
                clock=world.clock,
                host=step.host,
                hint=f"see `{world.logs}` on the host",
                # All hosts wait for it, 1-2 s, and asking takes 3 ms.
                longest=0.1,
            )
        case GrantAccess():
            grant_access(step.credentials, world)
        case RestoreStore():
            restore_store(step, world)
        case RestoreKeys():
            restore_keys(step, world)
        case AwaitAgent() | RetireServer() | RemovePeer() | ForgetQuorum() | RecoverQuorum() | CheckVersion():
            change_servers(step, world)
        case AddMember() | RemoveMember():
            change_members(step, world)
        case CreateNetwork():
            # A store that was away comes back with its networks.
            if not any(network["Name"] == step.name for network in engine.networks()):
                persist(lambda: engine.create_network(step.spec), world)
        case InitSwarm() | JoinSwarm() | ChangeRole() | LeaveSwarm() | RemoveNode() | TakeOverSwarm():
            change_swarm(step, world)
        case RenewAuthority() | RenewJoinTokens() | RenewUnlockKey():
            renew(step, world)
        case ChangeAutolock() | UnlockSwarm():
            change_lock(step, world)
        case RemoveNetwork():
            remove_network(step, engine, world)
        case RemoveContainer():
            engine.remove_container(step.name)
        case RemoveVolume():
            unless_gone(engine.remove_volume, step.name)
        case RemoveImage():
            unless_gone(engine.remove_image, step.name)
        case MendRows():
            mend_rows(step, writer)
        case DisconnectEndpoint():
            disconnect_endpoint(step, engine, world)
        case RemoveVxlan():
            remove_vxlan(step, writer)
        case RejoinNetwork():
            rejoin_network(step, engine, world)
        case HoldAddresses():
            hold_addresses(step, world)
        case PutKeys():
            _put(step, world)
        case LeaveNetwork():
            persist(lambda: unless_gone(engine.disconnect, step.network, step.container), world)
        case ConnectContainer():
            connect_container(step, engine, world)
        case ForgetAgent():
            forget_agent(step, world)
        case TellLeft():
            events.tell(lambda: writer.stream(step.address, PORT), step.gone)
        case JoinGossip() | PassGate():
            raise AssertionError("a step of the whole fleet has no host")


def _write(
    writer: Writer,
    path: str,
    content: str | Secret,
    *,
    mode: str = "644",
    folder_mode: str = "755",
    then: str = "",
) -> None:
    """Atomically: a host that loses power in the middle has the old file or the new one. ``then`` is done by
    the same command, so that no end of this process comes between."""
    stdin = content if isinstance(content, Secret) else content.encode()
    writer.do(change_script(f"{WRITE}{then}\n", path, mode, folder_mode, stdin=stdin))


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


def _upgrade(step: UpgradeEngine, writer: Writer) -> None:
    try:
        writer.do(change_script(step.command))
    finally:
        writer.engine.hang_up()
    told = ""
    with contextlib.suppress(EngineError):
        told = str(writer.engine.version()["Version"])
    if not is_version(told, step.version):
        # Most packages restart it by themselves; files that were put there by hand don't.
        _restart(writer)
        told = str(writer.engine.version()["Version"])
    if not is_version(told, step.version):
        raise OverweaveError(
            f"the engine is Docker {told}, and not {step.version}: `{step.command}` has not brought it",
            host=writer.host.name,
            hint="see what the command does on the host by hand, and give one that brings that version",
        )


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


def _put(step: PutKeys, world: World) -> None:
    """What a run that was broken off has written stays, and is right: the next one goes on behind it."""
    for write in step.writes:
        world.cancel.check()
        if not world.store.swap(write.key, write.old, write.new) and world.store.get(write.key) != write.new:
            raise StoreError(
                f"the store's value of {write.key} was changed while this was done",
                hint="run the same command again: it goes on with what is missing by then",
            )
