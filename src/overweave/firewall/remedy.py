"""The command that lets packets through where they are dropped, in the words of the firewall that rules."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from ipaddress import IPv4Interface, collapse_addresses
from ipaddress import IPv4Network as Network

from overweave.printable import one_line

from .judge import Dropped
from .rules import Packet, Tool

IPTABLES = {Tool.IPTABLES_NFT: "iptables-nft", Tool.IPTABLES_LEGACY: "iptables-legacy"}


def ruler(dropped: Dropped) -> str:
    """Who made the rules of this chain: ``ufw`` and ``firewalld`` are told, and would undo what is done
    behind their back."""
    if any(name.startswith("ufw-") for name in dropped.path):
        return "ufw"
    if dropped.table.name == "firewalld" or "INPUT_ZONES" in dropped.path:
        return "firewalld"
    return {Tool.NFT: "nft", Tool.IPTABLES_LEGACY: "iptables-legacy"}.get(dropped.table.tool, "iptables")


def remedy(dropped: Dropped, packets: Sequence[Packet], *, own: IPv4Interface, tool: Tool | None) -> str:
    """What lets all of ``packets`` through the chain that drops them.

    ``own`` is the address of this host, with its network; ``tool`` the flavour that plain `iptables` is.
    """
    outgoing = packets[0].outgoing
    others = _others(packets, own)
    by_protocol: dict[str, list[int]] = {}
    for packet in packets:
        ports = by_protocol.setdefault(packet.protocol, [])
        if packet.port not in ports:
            ports.append(packet.port)
    match ruler(dropped):
        case "ufw":
            return " && ".join(
                _ufw(dropped, protocol, ports, other, outgoing=outgoing)
                for protocol, ports in by_protocol.items()
                for other in others
            )
        case "firewalld":
            return _firewalld(dropped, by_protocol, outgoing=outgoing)
        case "nft":
            return " && ".join(
                _nft(dropped, protocol, ports, others, outgoing=outgoing)
                for protocol, ports in by_protocol.items()
            )
    return " && ".join(
        _iptables(dropped, protocol, ports, others, tool, outgoing=outgoing)
        for protocol, ports in by_protocol.items()
    )


def _others(packets: Sequence[Packet], own: IPv4Interface) -> list[str]:
    """The peers, as the host's own network where that is where all of them are."""
    peers = {packet.destination if packet.outgoing else packet.source for packet in packets}
    if len(peers) > 1 and all(peer in own.network for peer in peers):
        return [str(own.network)]
    networks = collapse_addresses(Network(peer) for peer in peers)
    return [str(n.network_address) if n.prefixlen == 32 else str(n) for n in networks]


def _ufw(dropped: Dropped, protocol: str, ports: Sequence[int], other: str, *, outgoing: bool) -> str:
    # A rule of the user's own that drops comes before what is added at the end.
    own_rule = dropped.rule is not None and "-A ufw-user-" in dropped.rule.text
    where = "insert 1 " if own_rule else ""
    listed = ",".join(map(str, ports))
    if outgoing:
        return f"ufw {where}allow out proto {protocol} to {other} port {listed}"
    return f"ufw {where}allow proto {protocol} from {other} to any port {listed}"


def _firewalld(dropped: Dropped, by_protocol: dict[str, list[int]], *, outgoing: bool) -> str:
    if outgoing:
        return "see `firewall-cmd --list-all-policies` and `firewall-cmd --direct --get-all-rules`"
    zone = f" --zone={shlex.quote(found)}" if (found := zone_of(dropped.path)) else ""
    if dropped.rule is not None and "_deny" in dropped.rule.text:
        return f"remove the rule that denies it: see `firewall-cmd{zone} --list-rich-rules`"
    ports = " ".join(f"--add-port={port}/{protocol}" for protocol, its in by_protocol.items() for port in its)
    return f"firewall-cmd --permanent{zone} {ports} && firewall-cmd --reload"


def zone_of(path: Sequence[str]) -> str:
    """The zone of firewalld that a packet was judged by, "" where it can't be told."""
    names = list(path)
    for start in ("filter_INPUT_ZONES", "INPUT_ZONES"):
        if start in names:
            for name in names[names.index(start) + 1 :]:
                if zone := re.fullmatch(r"(?:filter_)?IN_(.+)", name):
                    return one_line(zone[1], limit=40)
    return ""


def _iptables(
    dropped: Dropped,
    protocol: str,
    ports: Sequence[int],
    others: Sequence[str],
    tool: Tool | None,
    *,
    outgoing: bool,
) -> str:
    program = "iptables" if dropped.table.tool is tool else IPTABLES[dropped.table.tool]
    table = "" if dropped.table.name == "filter" else f" -t {_word(dropped.table.name)}"
    end = f"-{'d' if outgoing else 's'} {','.join(others)}"
    port = f"--dport {ports[0]}" if len(ports) == 1 else f"-m multiport --dports {','.join(map(str, ports))}"
    return f"{program}{table} -I {_word(dropped.chain.name)} -p {protocol} {end} {port} -j ACCEPT"


def _nft(
    dropped: Dropped, protocol: str, ports: Sequence[int], others: Sequence[str], *, outgoing: bool
) -> str:
    end = f"ip {'daddr' if outgoing else 'saddr'} {_set(others)}"
    where = f"{dropped.table.family} {_word(dropped.table.name)} {_word(dropped.chain.name)}"
    return f"nft insert rule {where} {end} {protocol} dport {_set(ports)} accept"


def _set(values: Sequence[object]) -> str:
    return str(values[0]) if len(values) == 1 else shlex.quote(f"{{ {', '.join(map(str, values))} }}")


def _word(text: str) -> str:
    """A name that the host chose, for a command that somebody may paste."""
    return shlex.quote(one_line(text, limit=60))
