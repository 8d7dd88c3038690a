"""What the kernel can: links of the kinds that an overlay is made of, really made, and its settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from overweave.command import Query, Result, query_script
from overweave.printable import one_line

from .text import number, table

KINDS = {
    "bridge": "type bridge",
    "veth": "type veth peer name ow-peer",
    "vxlan": "type vxlan id 256 dstport 4789",
}

# In a network namespace of their own, which ends with its last process: nothing of them can be left. One for
# all, and no link deleted by itself: the kernel takes 20 ms for the end of each (0.11 s, now 0.03).
_LINKS = """\
unshare -n sh -c 'while [ $# -gt 0 ]; do
    kind=$1 words=$2
    shift 2
    printf "%s " "$kind"
    if why=$(ip link add "ow-link-$kind" $words 2>&1); then
        echo
    else
        printf "%s\\n" "$why" | tail -n 1 | grep . || echo "status $?"
    fi
done' sh "$@" || echo "- $?"
"""
_SETTINGS = """\
while [ $# -gt 0 ]; do
    echo "$1 $(cat "/proc/sys/net/$1" 2>/dev/null)"
    shift
done
if modprobe -n -q br_netfilter; then echo "br_netfilter yes"; fi
"""
# Bonds, bridges and VLANs send by what is under them.
_CARDS = """\
look() {
    printf '%s\\t%s\\t' "$1" "$2"
    driver=$(ethtool -i "$2" 2>/dev/null | sed -n 's/^driver: *//p')
    [ "$driver" ] || driver=$(readlink "/sys/class/net/$2/device/driver" 2>/dev/null)
    printf '%s\\t' "${driver##*/}"
    ethtool -k "$2" 2>/dev/null | sed -n 's/^[[:space:]]*tx-checksum-ip-generic: *\\([onf]*\\).*/\\1/p' |
        tr '\\n' '\\t'
    echo
}
for interface; do
    look "$interface" "$interface"
    for lower in "/sys/class/net/$interface"/lower_*; do
        test ! -e "$lower" || look "$interface" "${lower##*/lower_}"
    done | head -n 16
done
"""
# As an engine does it for each peer of an encrypted network, with a key that is nobody's.
_ENCRYPTION = """\
why=$(unshare -n ip xfrm state add src 10.0.0.1 dst 10.0.0.2 proto esp spi 0x100 reqid 1 mode transport \
    aead 'rfc4106(gcm(aes))' 0x0102030405060708090a0b0c0d0e0f1011121314 64 2>&1) && echo yes ||
    { printf '%s\\n' "$why" | tail -n 1 | grep . || echo "status $?"; }
"""
FORWARD = "ipv4/ip_forward"
BRIDGE = "bridge/bridge-nf-call-iptables"
NEIGHBOURS = "ipv4/neigh/default/gc_thresh3"


@dataclass(frozen=True)
class Card:
    """``interface`` sends by ``name``, which may be itself. ``checksums``: whether the card computes the
    checksums of what it sends, None where it can't be told."""

    interface: str
    name: str
    driver: str
    checksums: bool | None


@dataclass(frozen=True)
class Kernel:
    """``links`` has why a link of a kind could not be made, "" where it could; it is empty where none
    could be tried. Settings are None where the kernel has none of that name: ``neighbours`` is the hard
    limit of its neighbour table. ``bridge_filter``: whether br_netfilter is there or could be loaded.
    ``unencrypted``: why it can't encrypt packets (ESP), "" where it can."""

    links: Mapping[str, str]
    forwards: bool | None
    neighbours: int | None
    bridge_filter: bool
    cards: tuple[Card, ...]
    unencrypted: str = ""


def queries(interfaces: Sequence[str]) -> tuple[Query, ...]:
    """``interfaces`` are those whose cards matter."""
    return (
        links_query(KINDS),
        query_script(_SETTINGS, FORWARD, BRIDGE, NEIGHBOURS),
        query_script(_CARDS, *interfaces),
        query_script(_ENCRYPTION),
    )


def links_query(kinds: Mapping[str, str]) -> Query:
    """Makes a link of each kind, of these words for ``ip link add``, which later ones may stand on, in a
    namespace that ends with it."""
    return query_script(_LINKS, *(word for its in kinds.items() for word in its))


def links_made(told: str, kinds: Mapping[str, str]) -> dict[str, str]:
    """Why a link of a kind could not be made, "" where it could; empty where none could be tried."""
    return {kind: why.strip() for kind, why in table(told).items() if kind in kinds}


def parse(results: Sequence[Result]) -> Kernel:
    made, settings, cards, encryption = (result.stdout for result in results)
    values = table(settings)
    forward = number(values.get(FORWARD, ""))
    return Kernel(
        links=links_made(made, KINDS),
        forwards=None if forward is None else forward != 0,
        neighbours=number(values.get(NEIGHBOURS, "")),
        bridge_filter=values.get("br_netfilter") == "yes" or number(values.get(BRIDGE, "")) is not None,
        cards=tuple(_card(line.split("\t")) for line in cards.splitlines() if line.count("\t") >= 2),
        unencrypted="" if encryption.strip() == "yes" else one_line(encryption, 200) or "it was not told",
    )


def _card(fields: list[str]) -> Card:
    interface, name, *rest = fields
    driver, checksums, *_ = (*rest, "", "")
    return Card(interface, name, driver, {"on": True, "off": False}.get(checksums))
