"""Mends what is in a host's namespace of an overlay: its rows, and devices that were left."""

from __future__ import annotations

from collections.abc import Iterator

from overweave.command import change_script
from overweave.ports import Writer
from overweave.steps import MendRows, RemoveVxlan

FOLDER = "/var/run/docker/netns"
MEND = """\
cd "$1" || exit
in=$2 device=$3
shift 3
inside() { nsenter --net="$in" "$@"; }
unless_gone() { inside "$@" 2> /dev/null || true; }
while [ $# -gt 0 ]; do
  case $1 in
    write)
      inside bridge fdb replace "$3" dev "$device" dst "$4" self permanent || exit
      inside ip neigh replace "$2" lladdr "$3" dev "$device" nud permanent || exit ;;
    neighbour) unless_gone ip neigh del "$2" dev "$device" ;;
    *) unless_gone bridge fdb del "$3" dev "$device" dst "$4" self ;;
  esac
  shift 4
done
"""
"""Rows as the engine writes them (``ip neigh``, ``bridge fdb show`` on 20.10.5): where it has them in its
books it takes them back itself, and where it has not it writes its own over them when a container joins
(measured).
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


def mend_rows(step: MendRows, writer: Writer) -> None:
    """All rows in one round trip. Raises `CommandFailed` where the namespace is gone."""
    words = [word for row in _words(step) for word in row]
    writer.do(change_script(MEND, FOLDER, step.namespace, step.device, *words))


def _words(step: MendRows) -> Iterator[tuple[str, str, str, str]]:
    for row in step.write:
        yield "write", row.address, row.mac, row.vtep
    for address in step.drop_neighbours:
        yield "neighbour", address, "", ""
    for mac, vtep in step.drop_forwarding:
        yield "forwarding", "", mac, vtep


def remove_vxlan(step: RemoveVxlan, writer: Writer) -> None:
    """Raises `CommandFailed` where a container has joined the namespace meanwhile."""
    more = "with namespace" if step.with_namespace else ""
    writer.do(change_script(REMOVE, step.namespace, step.device, str(step.vni), more))
