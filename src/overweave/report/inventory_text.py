"""An inventory as a text that people go on with: what was asked for, and behind it what the hosts say to it.

In the order and the words of inventory/example.yml. What is so by default is commented out, with the value
that it has here: an inventory that said it would hold on to it when hosts change.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import fields
from ipaddress import IPv4Network
from pathlib import Path

from overweave.advertise import Advertise
from overweave.backend import Abilities, Ability, abilities
from overweave.errors import Refused
from overweave.facts.engine import Engine
from overweave.facts.fleet import FleetFacts
from overweave.inventory_base import NAME
from overweave.model import IMAGES, PORTS, Access, Fleet, Host, Images, Network, Schedule, Store, Swarm
from overweave.overlay import addresses
from overweave.printable import one_line

COLUMN = 30
"""Where remarks begin, as in the example."""
WIDTH = 110
HEAD = """\
# An Overweave inventory, made by `fab init` of what its hosts are. What is commented out is so by default:
# without its mark it stays so. inventory/example.yml has every key there is.
# Use it with `fab deploy-overlay --inventory FILE`, or set OVERWEAVE_INVENTORY.
"""
ACCESS = ("user", "port", "key", "known_hosts")
WORDS = re.compile(
    r"\d+(\.\d+){3}|"
    r"[A-Za-z][A-Za-z0-9_.-]*|/[A-Za-z0-9_./-]*|[a-z0-9][\w.-]*(/[\w.-]+)+(:[\w.-]+)?|[a-z]+:[\w.-]+"
)
NO_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
"""What YAML takes for something else."""


def inventory(wanted: Fleet, settled: Fleet, facts: FleetFacts) -> str:
    """The text for a fleet as it was asked for. ``settled`` is what came of it when the hosts were looked at:
    with its backend, and the hosts marked that carry what that needs. ``wanted`` lists no networks."""
    return HEAD + "\n".join(_lines(wanted, settled, facts)) + "\n"


def key_of(name: str) -> str:
    """What a host is called in an inventory. An IPv6 address can't be."""
    return name if re.match(NAME, name) else re.sub(r"[^A-Za-z0-9_.-]", "-", name).lstrip("-_.") or "host"


def _lines(wanted: Fleet, settled: Fleet, facts: FleetFacts) -> Iterator[str]:
    found = abilities(wanted, facts.hosts)
    common = _common([host.access for host in wanted.hosts])
    if common:
        yield "\nssh:"
        for name, value in common.items():
            yield from _told(f"  {name}: {_value(value)}", "all hosts are reached so")
    yield "\nhosts:"
    chosen, refused = addresses(wanted, facts)
    doubts = {its.host: its for its in refused}
    for host, its in zip(wanted.hosts, found.hosts, strict=True):
        yield from _host(
            host,
            its,
            facts,
            [name for name in ACCESS if name not in common],
            chosen.get(host.name, doubts.get(host.name)),
            settled,
        )
    yield ""
    yield from _told(f"backend: {wanted.backend}", _backend(wanted, found))
    yield "\nnetwork:"
    yield from _network(wanted.network, chosen, facts)
    yield ""
    yield from _of_store(wanted, settled)
    yield ""
    yield from _of_swarm(wanted, settled)
    yield ""
    yield from _images(wanted.images)
    others = sorted({line for host in wanted.hosts for line in _overlays(host.name, facts, wanted)})
    if others:
        yield "\n# Overlays that are there already, and are left alone; `fab networks` shows all networks:"
        yield from (f"#   {line}" for line in others)


def _common(all_: list[Access]) -> dict[str, object]:
    found = {}
    for name in ACCESS:
        first, *others = (getattr(access, name) for access in all_)
        if others and first is not None and all(other == first for other in others):
            found[name] = first
    return found


def _host(
    host: Host,
    its: Ability,
    facts: FleetFacts,
    own: list[str],
    advertise: Advertise | Refused | None,
    settled: Fleet,
) -> Iterator[str]:
    name = key_of(host.name)
    yield from _told(f"  {_value(name)}:", _engine(its, facts))
    yield from _told(f"    address: {_value(host.access.address)}", "how ssh reaches it")
    for key in own:
        if (value := getattr(host.access, key)) is not None:
            yield from _told(f"    {key}: {_value(value)}", "")
    yield from _advertise(host, advertise, facts.hosts[host.name].reached_at)
    here = settled.host(host.name)
    carries = "a server of the cluster store"
    yield from _mark("store", host.store, here.store and not settled.in_swarm, carries)
    yield from _mark("manager", host.manager, here.manager and settled.in_swarm, "a manager of the swarm")
    if host.zone:
        yield from _told(f"    zone: {_value(host.zone)}", "hosts of one zone fail together")
    else:
        yield from _told(
            "    # zone: rack1",
            "hosts of one zone fail together, and servers are spread over zones: no host knows its own",
        )


def _engine(its: Ability, facts: FleetFacts) -> str:
    engine = facts.hosts[its.host].engine
    if not isinstance(engine, Engine):
        return f"no Docker: {its.cannot.get('consul', '')}"
    parts = [f"Docker {engine.version}", *([] if engine.running else ["which is DOWN"])]
    parts += [f"uses {its.uses}"] if its.uses else []
    parts += [
        f"can't have {what}: {why.removeprefix(f'Docker {engine.version}, ')}"
        for what, why in its.cannot.items()
    ]
    return one_line(", ".join(parts), 300)


def _advertise(host: Host, found: Advertise | Refused | None, reached_at: str) -> Iterator[str]:
    what = "what faces the other hosts"
    if host.advertise is not None:
        yield from _told(f"    advertise: {_value(host.advertise)}", f"{what}, as it was given")
    elif isinstance(found, Advertise):
        why = "what ssh reaches" if found.address == reached_at else "its only one in a subnet of all hosts"
        yield from _told(
            f"    # advertise: {found.address}", f"{what}: {found.interface}, MTU {found.mtu}; {why}"
        )
    elif found is not None:
        yield from _told("    # advertise: eth1", f"TO BE DECIDED: {found.message}: {found.hint}")


def _mark(key: str, asked: bool, chosen: bool, carries: str) -> Iterator[str]:
    if asked:
        yield from _told(f"    {key}: true", f"{carries}, as it was given")
    elif chosen:
        yield from _told(f"    # {key}: true", f"{carries}: chosen by itself")


def _backend(wanted: Fleet, found: Abilities) -> str:
    others = "consul, etcd or swarm decide it; "
    fits = "" if found.fits else "; NOT all hosts can have that: see above"
    if wanted.backend != "auto":
        return f"as it was given{fits}"
    return f"{others}auto takes {found.chosen} here: {found.why}{fits}"


def _network(network: Network, chosen: Mapping[str, Advertise], facts: FleetFacts) -> Iterator[str]:
    yield f"  name: {_value(network.name)}"
    yield from _told(
        f"  subnet: {network.subnet}", "must not overlap a route or a docker network of any host"
    )
    smallest = min(chosen.values(), key=lambda its: its.mtu, default=None)
    remark = "of the UNDERLAY; containers get 50 less"
    if network.mtu is not None:
        yield from _told(f"  mtu: {network.mtu}", remark)
    elif smallest is not None:
        yield from _told(f"  # mtu: {smallest.mtu}", f"{remark}. The smallest of the advertise interfaces")
    if network.options:
        yield from _told(f"  options: {_value(dict(network.options))}", "of the overlay driver")


def _of_store(wanted: Fleet, settled: Fleet) -> Iterator[str]:
    its, used = wanted.store, settled.store
    said = _said_of_store(its, wanted.backend)
    if said:
        yield "store:"
        for key, (value, told) in said.items():
            yield from _told(f"  {key}: {_value(value)}", told)
        return
    mark = "" if settled.in_swarm else f"{len(settled.servers)} of {len(settled.hosts)} hosts carry one"
    none = "a swarm has none; " if settled.in_swarm else ""
    yield from _told("# store:", f"{none}docs/store.md")
    yield from _told(f"#   kind: {used.kind}", "what all engines can have")
    yield from _told(f"#   image: {used.image}", "hosts without a registry: see `images`")
    yield from _told(f"#   servers: {len(settled.servers) or 3}", mark)
    yield from _told("#   backup: {every: daily, keep: 7}", "made by each host with a server, by itself")


def _said_of_store(its: Store, backend: str) -> dict[str, tuple[object, str]]:
    """What an inventory has to say to get this store: key -> value and remark."""
    said: dict[str, tuple[object, str]] = {}
    if its.decided and not its.external:
        said["kind"] = (its.kind, "as it was given")
    if its.external:
        said["external"] = (its.place, "a store that somebody else runs")
    elif its.image != IMAGES[its.kind]:
        said["image"] = (its.image, "hosts without a registry: see `images`")
    if not its.external and its.port != PORTS[its.kind]:
        said["port"] = (its.port, "HTTP, on loopback alone")
    plain = {"servers": "hosts that carry one", "tls": "", "run_as": "", "options": ""}
    for key, told in plain.items():
        value = getattr(its, key)
        if value != getattr(Store(), key):
            said[key] = (dict(value) if isinstance(value, Mapping) else value, told)
    changed = {
        f.name: value
        for f in fields(Schedule)
        if (value := getattr(its.backup, f.name)) != getattr(Schedule(), f.name)
    }
    if changed:
        said["backup"] = (changed, "made by each host with a server, by itself")
    # A backend that is named has decided for its kind already.
    return {} if set(said) == {"kind"} and backend == its.kind else said


def _of_swarm(wanted: Fleet, settled: Fleet) -> Iterator[str]:
    its = wanted.swarm
    said = {
        f.name: value for f in fields(Swarm) if (value := getattr(its, f.name)) != getattr(Swarm(), f.name)
    }
    if said:
        yield "swarm:"
        yield from (f"  {key}: {_value(value)}" for key, value in said.items())
        return
    used = f"{len(settled.managers)} of {len(settled.hosts)} hosts are managers" if settled.in_swarm else ""
    yield from _told(
        "# swarm:", "docs/swarm.md" if settled.in_swarm else "not used by a store; docs/swarm.md"
    )
    yield from _told(f"#   managers: {len(settled.managers) or 3}", used or "an odd number")
    yield from _told("#   port: 4789", "UDP, of VXLAN; another one needs Docker 19.03")


def _images(its: Images) -> Iterator[str]:
    told = "what the proof runs, once on every host; removed afterwards"
    if its == Images():
        yield "# images:"
        yield from _told(f"#   probe: {its.probe}", told)
        yield from _told("#   archives: {}", "for hosts without a registry: image -> file")
        return
    yield "images:"
    yield from _told(f"  probe: {_value(its.probe)}", told)
    if its.archives:
        yield from _told("  archives:", "for hosts without a registry: image -> file")
    for image, archive in its.archives.items():
        more = {"entrypoint": list(archive.entrypoint), "command": list(archive.command)}
        given = {"path": str(archive.path.absolute())} | {key: value for key, value in more.items() if value}
        yield f"    {json.dumps(image)}: {_value(given if len(given) > 1 else given['path'])}"


def _overlays(host: str, facts: FleetFacts, wanted: Fleet) -> Iterator[str]:
    engine = facts.hosts[host].engine
    if not isinstance(engine, Engine):
        return
    for network in engine.networks:
        if network.driver == "overlay" and network.name not in (wanted.network.name, "ingress"):
            yield one_line(f"{network.name} {', '.join(network.subnets)} ({network.scope})", 200)


def _told(line: str, remark: str) -> Iterator[str]:
    """A line with its remark, which goes on below in the same column."""
    if not remark:
        yield line
        return
    first, *rest = textwrap.wrap(
        one_line(remark, 600), max(40, WIDTH - max(COLUMN, len(line) + 1) - 2), break_on_hyphens=False
    )
    yield f"{line:<{COLUMN - 1}} # {first}"
    yield from (f"{'':<{COLUMN}}# {more}" for more in rest)


def _value(value: object) -> str:
    """As YAML, of which JSON is a part."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | IPv4Network():
            return str(value)
        case Path():
            return json.dumps(str(value.absolute()))
        case str() if WORDS.fullmatch(value) and value.lower() not in NO_WORDS:
            return value
        case _:
            return json.dumps(value)
