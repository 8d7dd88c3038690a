"""The unit that finishes on a host what Docker gives up when it starts. Pure.

An engine holds a container whose network the store does not give yet for a minute, tries it once and
never again; and it joins the gossip through one neighbour, once: of engines that start together some end
alone (measured: 2 of 5 power losses of three hosts).
"""

from __future__ import annotations

from collections.abc import Mapping

from . import units
from .facts.boot import FOLDER, GOSSIP, SCRIPT, UNIT, UNIT_FILE, BootUnit
from .render import render, script
from .steps import Step

WHY = "it finishes what Docker gives up when it starts"


def files(own: str, peers: Mapping[str, str]) -> dict[str, str]:
    """What is to be on a host, by path. ``own`` is its address in the gossip, ``peers`` those of all hosts
    by name."""
    addresses = [own, *(address for address in peers.values() if address != own)]
    return {
        SCRIPT: script("finish-boot.sh"),
        GOSSIP: script("boot-gossip.pl"),
        UNIT_FILE: render("boot.service.j2", script=SCRIPT, addresses=addresses),
    }


def install(host: str, its: BootUnit, own: str, peers: Mapping[str, str]) -> list[Step]:
    """The step that makes the unit of a host as it should be; none where it is."""
    return units.install(host, _installed(its), files(own, peers), WHY)


def remove(host: str, its: BootUnit) -> list[Step]:
    """The step that takes it away; none where nothing of it is there."""
    return units.remove(host, _installed(its), "it was made by the deployment")


def _installed(its: BootUnit) -> units.Installed:
    return units.Installed(UNIT, FOLDER, its.files, its.enabled)
