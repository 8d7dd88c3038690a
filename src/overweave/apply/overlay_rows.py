"""Mends what is in a host's namespace of an overlay: its rows, and devices that were left."""

from __future__ import annotations

import contextlib

from overweave.command import change_script
from overweave.errors import DeadlineExceeded
from overweave.facts import live, namespaces
from overweave.ports import Clock, Writer
from overweave.steps import MendRows, RemoveVxlan, Row
from overweave.waiting import wait_until

FOLDER = "/var/run/docker/netns"
LEARN_SECONDS = 1.0
"""An engine whose gossip is whole learns where a container is some milliseconds after the first packet."""
WRITE = """\
cd "$1" || exit
in=$2 device=$3
shift 3
while [ $# -gt 0 ]; do
  nsenter --net="$in" ip neigh replace "$1" lladdr "$2" dev "$device" nud permanent || exit
  nsenter --net="$in" bridge fdb replace "$2" dev "$device" dst "$3" self permanent || exit
  shift 3
done
"""
"""As the engine writes them (``ip neigh``, ``bridge fdb show`` on 20.10.5)."""
DROP = """\
cd "$1" || exit
in=$2 device=$3
shift 3
while [ $# -gt 0 ]; do
  case $1 in
    neighbour) nsenter --net="$in" ip neigh del "$2" dev "$device" ;;
    *) nsenter --net="$in" bridge fdb del "$2" dev "$device" dst "$3" self ;;
  esac
  shift 3
done 2> /dev/null
exit 0 # what is gone by now is what was wanted
"""
REMOVE = """\
in=$1 device=$2 vni=$3
inside() { if [ "$in" ]; then nsenter --net="$in" "$@"; else "$@"; fi; }
[ -z "$in" ] || [ -e "$in" ] || exit 0
if [ "$4" ] && inside ip -o link show type veth | grep -q .; then
  echo "a container has joined there"
  exit 1
fi
if [ "$device" ] && inside ip -d link show dev "$device" 2> /dev/null | grep -q "vxlan id $vni "; then
  inside ip link del dev "$device" || exit
fi
[ -z "$4" ] || { umount "$in" 2> /dev/null; rm -f "$in"; }
"""


def mend_rows(step: MendRows, writer: Writer, clock: Clock) -> None:
    """Drop what is wrong, let the engine learn what it lacks, and write what it does not learn.

    A row that the engine has learned it also takes back when the container goes; one that only we wrote
    it does not know of.
    """
    drops: list[str] = []
    for address in step.drop_neighbours:
        drops += ["neighbour", address, ""]
    missing, wrong = _lacking(step, writer)
    if missing:
        writer.ask(live.nudge(step.namespace, [row.address for row in missing]))
        with contextlib.suppress(DeadlineExceeded):
            wait_until(
                lambda: not _lacking(step, writer)[0], what="learning", seconds=LEARN_SECONDS, clock=clock
            )
        missing, wrong = _lacking(step, writer)
    write = [word for row in (*missing, *wrong) for word in (row.address, row.mac, row.vtep)]
    if write:
        writer.do(change_script(WRITE, FOLDER, step.namespace, step.device, *write))
    for mac, vtep in step.drop_forwarding:
        drops += ["forwarding", mac, vtep]
    if drops:
        writer.do(change_script(DROP, FOLDER, step.namespace, step.device, *drops))


def _lacking(step: MendRows, writer: Writer) -> tuple[list[Row], list[Row]]:
    """Rows of a step that are not there at all, and those that are there and lead elsewhere."""
    if not step.write:
        return [], []
    wanted = namespaces.ask(step.namespace)
    (seen,) = writer.ask(wanted.query)
    space = namespaces.parse(seen, wanted.mark).get(step.namespace)
    if space is None:
        return [], []
    macs = {n.address: n.mac for n in space.neighbours if n.device == step.device and n.mac}
    vteps: dict[str, set[str]] = {}
    for its in space.forwarding:
        if its.device == step.device and its.vtep:
            vteps.setdefault(its.mac, set()).add(its.vtep)
    missing, wrong = [], []
    for row in step.write:
        if macs.get(row.address, row.mac) != row.mac or vteps.get(row.mac, {row.vtep}) != {row.vtep}:
            wrong.append(row)
        elif row.address not in macs or row.mac not in vteps:
            missing.append(row)
    return missing, wrong


def remove_vxlan(step: RemoveVxlan, writer: Writer) -> None:
    """Raises `CommandFailed` where a container has joined the namespace meanwhile."""
    more = "with namespace" if step.with_namespace else ""
    writer.do(change_script(REMOVE, step.namespace, step.device, str(step.vni), more))
