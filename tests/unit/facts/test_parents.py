"""How it is found out whether a kernel can make interfaces of each kind."""

from __future__ import annotations

from overweave.facts.parents import KINDS


def test_macvlan_and_ipvlan_are_tried_on_different_links():
    """A kernel that has both refuses the second on one link: "Device or resource busy" (Debian 13)."""
    under = {kind: KINDS[kind].split()[1] for kind in ("macvlan", "ipvlan")}
    assert under == {"macvlan": "ow-under", "ipvlan": "ow-link-under"}
    assert KINDS["under"] == "type veth peer name ow-under"
