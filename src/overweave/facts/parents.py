"""The interfaces of a host that macvlan and ipvlan networks are on, and whether its kernel can make such."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from overweave.command import query, query_script
from overweave.ports import Reader

from .kernel import links_made, links_query
from .typed import objects, text, whole

KINDS = {
    "under": "type veth peer name ow-under",
    "macvlan": "link ow-under type macvlan mode bridge",
    "ipvlan": "link ow-link-under type ipvlan mode l2",
    "vlan": "link ow-under type vlan id 5",
}
"""Links of each kind on the ends of the first: what has a macvlan on it takes no ipvlan ("Device or resource
busy")."""

QUERIES = (
    query("ip", "-json", "-details", "link", "show"),
    links_query(KINDS),
    query_script('for its in /sys/class/net/*/wireless; do [ -e "$its" ] && echo "$its"; done; true'),
    query_script("systemd-detect-virt --vm 2> /dev/null; true"),
)


@dataclass(frozen=True)
class Parent:
    """``bridge`` is the one that it is a port of, "" for none. ``vlan``: it is a VLAN's sub-interface."""

    name: str
    up: bool
    mtu: int
    bridge: str = ""
    wireless: bool = False
    vlan: bool = False


@dataclass(frozen=True)
class Parents:
    """``lacks`` are the kinds of links that the kernel can't make, with its own words for why; ``machine`` is
    what kind of virtual machine the host is, "" for none that is known."""

    interfaces: Mapping[str, Parent] = field(default_factory=dict)
    lacks: Mapping[str, str] = field(default_factory=dict)
    machine: str = ""


def look(reader: Reader) -> Parents:
    """One round trip. Raises `ValueError` and its like where the answer makes no sense."""
    links, kinds, wireless, virt = reader.ask(*QUERIES)
    air = {line.split("/")[4] for line in wireless.stdout.splitlines() if line.count("/") >= 4}
    raws = list(objects(json.loads(links.stdout or "[]")))
    bridges = {
        text(raw.get("ifname"))
        for raw in raws
        if (raw.get("linkinfo") or {}).get("info_kind") in ("bridge", "openvswitch")
    }
    interfaces = {}
    for raw in raws:
        name = text(raw.get("ifname"))
        master = text(raw.get("master") or "")
        interfaces[name] = Parent(
            name=name,
            up="UP" in objects(raw.get("flags")),
            mtu=whole(raw.get("mtu")),
            bridge=master if master in bridges else "",
            wireless=name in air,
            vlan=(raw.get("linkinfo") or {}).get("info_kind") == "vlan",
        )
    said = virt.stdout.strip()
    return Parents(
        interfaces,
        {kind: why for kind, why in links_made(kinds.stdout, KINDS).items() if why},
        said if said != "none" else "",
    )
