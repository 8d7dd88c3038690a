"""Mends what is in a host's namespace of an overlay: its rows, and devices that were left."""

from __future__ import annotations

from collections.abc import Iterator

from overweave.command import change_script
from overweave.facts.namespaces import FOLDER
from overweave.ports import Writer
from overweave.steps import MendRows, RemoveVxlan

MEND = """\
cd "$1" || exit
in=$2 device=$3
[ -e "$in" ] || exit 0
inside() { nsenter --net="$in" "$@" < /dev/null; }
unless_gone() { inside "$@" 2> /dev/null || true; }
while IFS= read -r what && IFS= read -r address && IFS= read -r mac && IFS= read -r vtep; do
  case $what in
    write)
      inside bridge fdb replace "$mac" dev "$device" dst "$vtep" self permanent || exit
      inside ip neigh replace "$address" lladdr "$mac" dev "$device" nud permanent || exit ;;
    neighbour) unless_gone ip neigh del "$address" dev "$device" ;;
    *) unless_gone bridge fdb del "$mac" dev "$device" dst "$vtep" self ;;
  esac
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
if [ "$4" ]; then
  links=$(inside ip -o link show type veth) || exit 1
  if [ "$links" ]; then
    echo "a container has joined there"
    exit 1
  fi
fi
if [ "$device" ]; then
  inside ip -o link show type vxlan > /dev/null || exit 1
  its=$(inside ip -o -d link show dev "$device" 2> /dev/null) || its=
  case $its in
    *"vxlan id $vni "*)
      if [ -z "$4" ]; then
        addresses=$(inside ip -o addr show dev "$device" scope global) || exit 1
        case "$its$addresses" in
          *" master "* | *" inet "* | *" inet6 "*)
            echo "it has an address or a bridge now, so it is somebody's"
            exit 1 ;;
        esac
      fi
      inside ip link del dev "$device" || exit ;;
  esac
fi
[ -z "$4" ] || { umount "$in" 2> /dev/null; rm -f "$in"; }
"""


def mend_rows(step: MendRows, writer: Writer) -> None:
    """All rows in one round trip; nothing where the namespace is gone.

    They are lines of the input, four a row: as words, 2,500 rows are more than Linux takes as one argument
    of ``sh -c`` (128 KiB).
    """
    rows = "".join(f"{word}\n" for row in _words(step) for word in row)
    writer.do(change_script(MEND, FOLDER, step.namespace, step.device, stdin=rows.encode()))


def _words(step: MendRows) -> Iterator[tuple[str, str, str, str]]:
    for row in step.write:
        yield "write", row.address, row.mac, row.vtep
    for address in step.drop_neighbours:
        yield "neighbour", address, "", ""
    for mac, vtep in step.drop_forwarding:
        yield "forwarding", "", mac, vtep


def remove_vxlan(step: RemoveVxlan, writer: Writer) -> None:
    """Raises `CommandFailed` where a container has joined the namespace meanwhile, or somebody has taken the
    device into use; and where that can't be seen."""
    more = "with namespace" if step.with_namespace else ""
    writer.do(change_script(REMOVE, step.namespace, step.device, str(step.vni), more))
