"""The packet filters: which of the packets that an overlay lives on would a host's rules drop?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface

from overweave.advertise import Advertise
from overweave.facts.engine import Engine
from overweave.facts.fleet import FleetFacts
from overweave.facts.host import HostFacts
from overweave.facts.pair_report import Port
from overweave.facts.unit import Unit
from overweave.firewall.judge import Dropped, drops
from overweave.firewall.remedy import remedy, ruler
from overweave.firewall.rules import Act, Packet, Tool
from overweave.model import Fleet
from overweave.overlay import addresses
from overweave.printable import one_line

from .finding import Finding, Severity, note, warning
from .ports import GOSSIP, needs, of_vxlan

MANY = 10
"""Rules of one host that are told of; a host that drops everything in a thousand ways is told once."""


def rules(fleet: Fleet, facts: FleetFacts) -> list[Finding]:
    """An error for each rule that certainly drops a packet that is needed, a note for each that may."""
    found: dict[str, list[Finding]] = {}
    for verdict in _verdicts(fleet, facts):
        found.setdefault(verdict.host, []).append(_told(facts, verdict, of_vxlan(fleet, facts)))
    for name, machine in facts.machines.items():
        if machine.firewall.problem:
            its = found.setdefault(name, [])
            its[MANY:] = [
                note("firewall.rules", f"not all rules could be read: {machine.firewall.problem}", host=name)
            ]
    return [finding for its in found.values() for finding in its[: MANY + 1]]


def explained(fleet: Fleet, facts: FleetFacts) -> frozenset[tuple[str, str, Port]]:
    """Sender, receiver and port of all packets that a rule certainly drops: what is measured of them has
    been told with the rule."""
    advertise, _ = addresses(fleet, facts)
    name_of = {its.address: other for other, its in advertise.items()}
    return frozenset(
        (name_of[str(p.source)], name_of[str(p.destination)], _port(p))
        for verdict in _verdicts(fleet, facts)
        if verdict.certain
        for p in verdict.packets
    )


@dataclass(frozen=True)
class _Verdict:
    """What a rule of a host drops, or may drop. ``peers`` are the other ends of the packets."""

    host: str
    dropped: Dropped
    packets: tuple[Packet, ...]
    peers: tuple[str, ...]
    certain: bool
    outgoing: bool
    own: IPv4Interface


def _verdicts(fleet: Fleet, facts: FleetFacts) -> Iterator[_Verdict]:
    advertise, _ = addresses(fleet, facts)
    name_of = {its.address: other for other, its in advertise.items()}
    frames = of_vxlan(fleet, facts)
    for name, machine in facts.machines.items():
        if name not in advertise:
            continue
        own = _interface(facts.hosts[name], advertise[name].address)
        for outgoing in (False, True):
            by_rule: dict[tuple[object, ...], tuple[Dropped, list[Packet]]] = {}
            for packet in _needed(fleet, name, advertise, frames, outgoing=outgoing):
                for dropped in drops(machine.firewall.tables, packet):
                    table = dropped.table
                    text = dropped.rule.text if dropped.rule else ""
                    key = (table.tool, table.family, table.name, dropped.chain.name, text, dropped.certain)
                    by_rule.setdefault(key, (dropped, []))[1].append(packet)
            for dropped, packets in by_rule.values():
                # What was seen to arrive is dropped by no rule: something about it is not understood.
                lost = [
                    p
                    for p in packets
                    if not _arrived(facts, name_of[str(p.source)], name_of[str(p.destination)], p, frames)
                ]
                told = tuple(lost or packets)
                ends = [str(p.destination if outgoing else p.source) for p in told]
                peers = tuple(dict.fromkeys(name_of[end] for end in ends))
                yield _Verdict(name, dropped, told, peers, dropped.certain and bool(lost), outgoing, own)


def _told(facts: FleetFacts, verdict: _Verdict, frames: Port) -> Finding:
    ports = ", ".join(dict.fromkeys(f"{p.protocol} {p.port}" for p in verdict.packets))
    return Finding(
        "firewall.output" if verdict.outgoing else "firewall.input",
        Severity.ERROR if verdict.certain else Severity.NOTE,
        f"{_rule(verdict.dropped)} {'drops' if verdict.certain else 'may drop'} {ports} "
        f"{'to' if verdict.outgoing else 'from'} {', '.join(verdict.peers)}",
        _matters(verdict.packets, frames),
        remedy(
            verdict.dropped,
            verdict.packets,
            own=verdict.own,
            tool=facts.machines[verdict.host].firewall.tool,
        ),
        verdict.host,
    )


def _arrived(facts: FleetFacts, sender: str, receiver: str, packet: Packet, frames: Port) -> bool:
    """Whether such a packet was seen to arrive when the paths between the hosts were measured."""
    path = facts.pairs.paths.get((sender, receiver)) if facts.pairs else None
    if path is None:
        return False
    if _port(packet) == frames:
        return path.vxlan is not None and path.vxlan.arrived > 0
    return path.ports.get(_port(packet)) == "ok"


def _port(packet: Packet) -> Port:
    return Port(packet.protocol, packet.port)


def _interface(its: HostFacts, address: str) -> IPv4Interface:
    owned = (a for i in its.interfaces.all for a in i.addresses if str(a.ip) == address)
    return next(owned, IPv4Interface(address))


def _needed(
    fleet: Fleet, name: str, advertise: dict[str, Advertise], frames: Port, *, outgoing: bool
) -> Iterator[Packet]:
    """The first packets of all connections of a host with its peers."""
    own = IPv4Address(advertise[name].address)
    interface = advertise[name].interface
    for other in fleet.names:
        if other == name or other not in advertise:
            continue
        peer = IPv4Address(advertise[other].address)
        of_store = (other if outgoing else name) in fleet.servers
        vital = [its.port for its in needs(fleet) if its.vital and (its.everywhere or of_store)]
        for port in (frames, *vital):
            ends = (own, peer) if outgoing else (peer, own)
            yield Packet(port.protocol, *ends, port.number, interface, outgoing)


def _rule(dropped: Dropped) -> str:
    table = dropped.table
    where = f"table {one_line(table.name, 60)} ({ruler(dropped)})"
    if dropped.rule is None:
        return f"the policy of {one_line(dropped.chain.name, 60)}, {where},"
    return f"`{one_line(dropped.rule.text, 300)}`, {where},"


def _matters(packets: Sequence[Packet], frames: Port) -> str:
    ports = {_port(p) for p in packets}
    if frames in ports:
        return "names would resolve and nothing would answer (moby/moby#29979, moby/moby#33416)"
    if not ports.isdisjoint(its.port for its in GOSSIP):
        return "engines would not know of each other's containers (moby/swarmkit#1434)"
    return "engines would not register in the store (moby/swarmkit#1434)"


def flavours(fleet: Fleet, facts: FleetFacts) -> list[Finding]:
    found = []
    for name, machine in facts.machines.items():
        tables = [t for t in machine.firewall.tables if t.tool is not Tool.NFT and t.rules]
        tools = {t.tool for t in tables}
        if len(tools) > 1:
            plain = machine.firewall.tool
            other = next(tool for tool in tools if tool is not plain)
            found.append(
                warning(
                    "firewall.flavours",
                    f"both iptables-nft and iptables-legacy have rules; `iptables` is {plain or 'none'}",
                    matters="neither shows the rules of the other, and a packet must pass both "
                    "(firewalld/firewalld#503)",
                    fix=f"see `{other}-save`; move what is needed, then flush it with `{other} -F`",
                    host=name,
                )
            )
    return found


def engine_chains(fleet: Fleet, facts: FleetFacts) -> list[Finding]:
    """An engine makes its rules as it starts; a firewall that starts or reloads later may remove them."""
    found = []
    for name, machine in facts.machines.items():
        its = facts.hosts[name]
        if not (isinstance(its.engine, Engine) and its.engine.running):
            continue
        filters = [t for t in machine.firewall.tables if t.name == "filter" and t.tool is not Tool.NFT]
        made = any(
            rule.target.startswith("DOCKER")
            for table in filters
            for rule in (table.chains["FORWARD"].rules if "FORWARD" in table.chains else ())
        ) or any("docker" in table.name for table in machine.firewall.tables)
        if made or machine.firewall.problem:
            continue
        if _left_alone(its):
            policies = [t.chains["FORWARD"].policy for t in filters if "FORWARD" in t.chains]
            if Act.DROP in policies:
                found.append(
                    warning(
                        "firewall.forward",
                        "the engine leaves iptables alone, and the policy of FORWARD is DROP",
                        matters="published ports and the way out of containers are dead (moby/moby#33416)",
                        fix="let FORWARD pass docker0 and docker_gwbridge, or take `iptables` = false from "
                        "the engine",
                        host=name,
                    )
                )
        elif machine.firewall.tool is not None:
            found.append(
                warning(
                    "firewall.engine-chains",
                    "the engine's chains are gone from iptables",
                    matters="published ports and the way out of containers are dead (moby/moby#50443, "
                    "firewalld/firewalld#503)",
                    fix="`systemctl restart docker`",
                    host=name,
                )
            )
    return found


def _left_alone(its: HostFacts) -> bool:
    arguments = its.unit.arguments if isinstance(its.unit, Unit) else ()
    return "--iptables=false" in arguments or its.daemon_json.settings.get("iptables") is False
