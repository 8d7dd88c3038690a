"""Vxlan devices and overlay namespaces that a killed engine has left.

The kernel takes one device of a VNI and port in a namespace that sends: while a left one is there, the
engine's own fails with ``error creating vxlan interface: file exists`` (libnetwork#1765).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from overweave.facts.engine import Engine
from overweave.facts.libnetwork import Network
from overweave.facts.live import Live
from overweave.facts.namespaces import FOLDER, Link, belongs, newest
from overweave.model import Fleet
from overweave.overlay import vxlan_port
from overweave.preflight.finding import error
from overweave.steps import RemoveVxlan, Step

from .engines import restart
from .fault import Fault
from .places import Places

LIBNETWORKS = re.compile(r"vx-[0-9a-f]{6}-.+")
"""How libnetwork names a device in the host's own namespace, before it moves it: VNI and network."""
BLOCKS = "containers on this host can't join: error creating vxlan interface: file exists (libnetwork#1765)"


def devices(fleet: Fleet, live: Live, places: Places) -> list[Fault]:
    """In the host's own namespace and in named ones: devices with the VNI of a network of the store."""
    found = []
    networks = {s.vni: n.name for n in _networks(live) for s in n.subnets}
    port = vxlan_port(fleet, live.fleet)
    for host, its in live.hosts.items():
        for space in (*([its.host] if its.host else []), *its.named.values()):
            path = space.name if space.name.startswith("/") else ""
            where = f" in {path}" if path else ""
            if any(space.inode == other.inode for other in its.docker.values()):
                continue
            for link in space.vxlans():
                if link.vni not in networks or link.port != port:
                    continue
                seen = f"vxlan device {link.name}{where} has VNI {link.vni} of network {networks[link.vni]}"
                if _used(link):
                    fix = "it has an address or a bridge, so it is somebody's: take another VNI for it"
                    found.append(Fault(error("vxlan.left", seen, matters=BLOCKS, fix=fix, host=host)))
                elif not LIBNETWORKS.fullmatch(link.name):
                    inside = f"nsenter --net={path} " if path else ""
                    fix = f"no engine gives that name: `{inside}ip link del {link.name}` if nobody needs it"
                    found.append(Fault(error("vxlan.left", seen, matters=BLOCKS, fix=fix, host=host)))
                else:
                    fault = error(
                        "vxlan.left", seen, matters=BLOCKS, fix="`fab repair` removes it", host=host
                    )
                    found.append(Fault(fault, (RemoveVxlan(host, seen, path, link.name, link.vni),)))
    return found


def namespaces(fleet: Fleet, live: Live, places: Places) -> list[Fault]:
    """In Docker's folder: an overlay's namespace with no container in it.

    One of a network that is gone, or that has a newer one, was left. One without a vxlan device is half made:
    the engine goes on failing with it, whatever it failed for first (measured), until it is restarted.
    """
    found = []
    for host, its in live.hosts.items():
        engine = live.fleet.hosts[host].engine
        if its.attachments is None or live.records is None or not isinstance(engine, Engine) or engine.swarm:
            continue
        known = {n.id: n.name for n in engine.networks} | {n.id: n.name for n in _networks(live)}
        for name, space in its.docker.items():
            if any(link.kind == "veth" for link in space.links):
                continue
            network = next((id_ for id_ in known if belongs(name, id_)), "")
            last = not network or newest(its.docker, network) is space
            if last and any(a.running and a.network == network for a in its.attachments):
                continue
            device = next(iter(space.vxlans()), None)
            of = f"namespace {name} of {f'network {known[network]}' if network else 'a network that is gone'}"
            steps: tuple[Step, ...]
            if network and last and device is None:
                seen = f"{of} is half made, and has no container"
                fix, steps = restart(live, host, seen, engine)
            else:
                seen = f"{of} {'has no container' if last else 'is beside a newer one'}"
                path = f"{FOLDER}/{name}"
                vni = device.vni if device else 0
                name = device.name if device else ""
                steps = (RemoveVxlan(host, seen, path, name, vni, with_namespace=True),)
                fix = "`fab repair` removes it"
            found.append(Fault(error("vxlan.namespace", seen, matters=BLOCKS, fix=fix, host=host), steps))
    return found


def _networks(live: Live) -> Iterable[Network]:
    return live.records.networks.values() if live.records else ()


def _used(link: Link) -> bool:
    return bool(link.master or link.addresses)
