"""Runs, stops and moves a host's part of the store, in the form that it has there."""

from __future__ import annotations

from overweave.command import Change, change_script, query_script
from overweave.errors import CommandFailed, OverweaveError
from overweave.facts.store_service import UNIT, UNIT_FILE
from overweave.facts.text import number
from overweave.model import SERVICE
from overweave.ports import Writer
from overweave.printable import one_line
from overweave.steps import MoveStore, RemoveService, RunService, StartService
from overweave.stores.consul import CONFIG, CONTAINER, DATA, SECRETS, VOLUME

MOST_STARTS = 3
_DOCKER = 'docker() { command docker -H unix:///var/run/docker.sock "$@"; }\n'
FORGET_CONTAINER = (
    _DOCKER
    + """\
if docker container inspect "$1" > /dev/null 2>&1; then docker stop -t 0 "$1" > /dev/null || exit; fi
docker volume inspect "$2" > /dev/null 2>&1 || exit 0
folder=$(docker volume inspect -f '{{.Mountpoint}}' "$2") && [ "$folder" ] && rm -rf "$folder/raft"
"""
)
FORGET_SERVICE = """\
systemctl stop "$1" && rm -rf "$2/raft"
"""
_PEERS = """\
umask 077
cat > "$folder/raft/peers.json.new"
sync "$folder/raft/peers.json.new" 2> /dev/null || true
mv "$folder/raft/peers.json.new" "$folder/raft/peers.json"
"""
RECOVER_CONTAINER = (
    "set -e\n"
    + _DOCKER
    + """\
folder=$(docker volume inspect -f '{{.Mountpoint}}' "$2")
test -d "$folder/raft"
docker stop -t 5 "$1" > /dev/null
"""
    + _PEERS
    + 'docker start "$1" > /dev/null\n'
)
RECOVER_SERVICE = (
    """\
set -e
folder=$2
test -d "$folder/raft"
systemctl stop "$1"
"""
    + _PEERS
    + 'systemctl start "$1"\n'
)
RUN = """\
# What runs is not stopped for settings that Consul does not take.
said=$(consul validate "$4" "$5" 2>&1) || { printf '%s\\n' "$said"; exit 1; }
umask 022
printf %s "$3" > "$2.new" && mv "$2.new" "$2" || exit
sync "$2" 2> /dev/null
systemctl daemon-reload && systemctl --quiet enable "$1" || exit
systemctl reset-failed "$1" 2> /dev/null
timeout 60 systemctl restart "$1" && exit
journalctl -u "$1" -o cat -n 8 --no-pager 2> /dev/null
exit 1
"""
START = """\
systemctl reset-failed "$1" 2> /dev/null
timeout 60 systemctl start "$1"
"""
REMOVE = """\
systemctl --quiet disable "$1" 2> /dev/null
timeout 60 systemctl stop "$1" 2> /dev/null
rm -rf "$2" "$2.new" "$3" || exit
systemctl daemon-reload
systemctl reset-failed "$1" 2> /dev/null
true
"""
TO_SERVICE = (
    "set -e\n"
    + _DOCKER
    + """\
folder=$(docker volume inspect -f '{{.Mountpoint}}' "$2")
test -d "$folder"
rm -rf "$3"
umask 077
mkdir -p "$3"
cp -a "$folder/." "$3/"
chown -R 0:0 "$3"
chmod 700 "$3"
"""
)
TO_CONTAINER = (
    "set -e\n"
    + _DOCKER
    + """\
systemctl --quiet disable "$1"
timeout 60 systemctl stop "$1"
docker volume create "$2" > /dev/null
folder=$(docker volume inspect -f '{{.Mountpoint}}' "$2")
test -d "$folder"
rm -rf "$folder"/*
cp -a "$3/." "$folder/"
"""
)
TAIL_CONTAINER = 'docker -H unix:///var/run/docker.sock logs --tail 5 "$1" 2>&1'
TAIL_SERVICE = 'journalctl -u "$1" -o cat -n 12 --no-pager 2>&1 | grep -v "^overweave-consul" | tail -n 5'
STARTS = 'systemctl show -p NRestarts --value "$1"'

ServiceStep = RunService | StartService | RemoveService | MoveStore


def change_form(step: ServiceStep, writer: Writer) -> None:
    match step:
        case RunService():
            _run(step, writer)
        case StartService():
            writer.do(change_script(START, step.unit))
        case RemoveService():
            writer.do(change_script(REMOVE, step.unit, step.path, step.data))
        case MoveStore():
            # What ran is stopped and put aside by then: see `undo`.
            script = TO_SERVICE if step.to == SERVICE else TO_CONTAINER
            writer.do(change_script(script, UNIT, VOLUME, DATA))


def _run(step: RunService, writer: Writer) -> None:
    try:
        writer.do(change_script(RUN, step.unit, step.path, step.content, CONFIG, SECRETS))
    except CommandFailed as e:
        raise OverweaveError(
            "the store does not start:\n" + "\n".join(f"    {line}" for line in e.output.splitlines()[-8:]),
            host=writer.host.name,
            hint=f"correct `store: options:`; `journalctl -u {step.unit}` on the host tells more",
        ) from e


def forget(run_as: str) -> Change:
    """Stops a server, and removes its copy of the store."""
    if run_as == SERVICE:
        return change_script(FORGET_SERVICE, UNIT, DATA)
    return change_script(FORGET_CONTAINER, CONTAINER, VOLUME)


def recover(run_as: str, peers: bytes) -> Change:
    """Starts a server anew, with those peers as the only ones that vote."""
    if run_as == SERVICE:
        return change_script(RECOVER_SERVICE, UNIT, DATA, stdin=peers)
    return change_script(RECOVER_CONTAINER, CONTAINER, VOLUME, stdin=peers)


def refuse_dying(writer: Writer) -> None:
    """Docker, or systemd, starts it again and again, and it will not help. What it said is told now: its log
    may go with it. Raises `OverweaveError`."""
    shown, there = writer.ask(query_script(STARTS, UNIT), query_script('test -e "$1"', UNIT_FILE))
    if there.ok:
        starts = number(shown.stdout) or 0
        tail = query_script(TAIL_SERVICE, UNIT)
    else:
        starts = int(writer.engine.container(CONTAINER).get("RestartCount") or 0)
        tail = query_script(TAIL_CONTAINER, CONTAINER)
    if starts < MOST_STARTS:
        return
    (said,) = writer.ask(tail)
    lines = [f"\n    {one_line(line, 200)}" for line in said.stdout.splitlines()[-5:]]
    raise OverweaveError(
        "its agent does not stay up" + (":" + "".join(lines) if lines else ""),
        host=writer.host.name,
        hint="mend what it says: `store: options:` and `store: image:` of the inventory, or its program",
    )
