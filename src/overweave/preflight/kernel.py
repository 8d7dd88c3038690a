"""The kernel: can it make what an overlay is made of, and does anything in it get in the way?"""

from __future__ import annotations

from overweave.facts.engine import Engine
from overweave.facts.fleet import FleetFacts
from overweave.facts.kernel import KINDS, Card, Kernel
from overweave.model import ENCRYPTED, Fleet
from overweave.overlay import addresses
from overweave.printable import one_line

from .addresses import ENOUGH
from .finding import Finding, Severity, error, note, warning

RISKY = {"vmxnet3": Severity.WARNING, "virtio_net": Severity.NOTE, "hv_netvsc": Severity.NOTE}
"""Drivers whose cards, or whose hypervisors, were seen to get checksums inside VXLAN wrong."""
PASSING_ON = ("bonding", "bridge", "802.1Q VLAN Support", "team", "openvswitch")
"""Drivers of interfaces that leave the checksums to those under them."""


def links(fleet: Fleet, facts: FleetFacts) -> list[Finding]:
    found = []
    for name, machine in facts.machines.items():
        for kind in KINDS:
            why = machine.kernel.links.get(kind)
            if why:
                found.append(
                    error(
                        "kernel.links",
                        f"no {kind} link can be made: {one_line(why, 200)}",
                        matters="an overlay is made of them (moby/libnetwork#1166)",
                        fix=f"`modprobe {kind}`, or a kernel that has it: Debian's own has",
                        host=name,
                    )
                )
        if set(machine.kernel.links) != set(KINDS):
            found.append(
                note(
                    "kernel.links",
                    "it could not be tried to make links of the kinds that an overlay needs",
                    matters="there is no `unshare`, or it may not make network namespaces",
                    host=name,
                )
            )
    return found


def settings(fleet: Fleet, facts: FleetFacts) -> list[Finding]:
    return [
        finding for name, machine in facts.machines.items() for finding in _of_settings(name, machine.kernel)
    ]


def _of_settings(name: str, kernel: Kernel) -> list[Finding]:
    found = []
    if kernel.forwards is False:
        found.append(
            warning(
                "kernel.forwarding",
                "net.ipv4.ip_forward is 0",
                matters="containers reach nothing outside, until the engine that sets it starts anew "
                "(moby/moby#50443)",
                fix="`sysctl -w net.ipv4.ip_forward=1`, and no file in /etc/sysctl.d that says 0",
                host=name,
            )
        )
    if not kernel.bridge_filter:
        found.append(
            warning(
                "kernel.br-netfilter",
                "br_netfilter is neither loaded nor can it be",
                matters="containers of one bridge are not kept apart, and published ports fail between them",
                fix="`modprobe br_netfilter`, or a kernel that has it: Debian's own has",
                host=name,
            )
        )
    return found


def encryption(fleet: Fleet, facts: FleetFacts) -> list[Finding]:
    """Without it containers fail to join, and the engine prints its keys in its journal (measured)."""
    if ENCRYPTED not in fleet.network.options:
        return []
    return [
        error(
            "kernel.encryption",
            f"the kernel can't encrypt packets (ESP): {one_line(why, 200)}",
            matters=f"no container could join the encrypted network {fleet.network.name}",
            fix="`modprobe esp4`, or a kernel that has it: Debian's own has",
            host=name,
        )
        for name, machine in facts.machines.items()
        if (why := machine.kernel.unencrypted)
    ]


def neighbours(fleet: Fleet, facts: FleetFacts) -> list[Finding]:
    """A host has a neighbour for each endpoint of the overlay, wherever that is."""
    running = sum(
        c.running
        for its in facts.hosts.values()
        if isinstance(its.engine, Engine)
        for c in its.engine.containers
    )
    need = max(ENOUGH * len(fleet.hosts), running)
    return [
        warning(
            "kernel.neighbours",
            f"the neighbour table holds {limit}, and this fleet may need {need}",
            matters="beyond it pairs go dead at random (moby/moby#43052, moby/libnetwork#1522)",
            fix=f"`sysctl -w net.ipv4.neigh.default.gc_thresh3={_power(2 * need)}`, and in /etc/sysctl.d",
            host=name,
        )
        for name, machine in facts.machines.items()
        if (limit := machine.kernel.neighbours) is not None and limit < need
    ]


def _power(least: int) -> int:
    return 1 << (least - 1).bit_length()


def checksums(fleet: Fleet, facts: FleetFacts) -> list[Finding]:
    advertise, _ = addresses(fleet, facts)
    found = []
    for name, machine in facts.machines.items():
        for card in _sending(machine.kernel, advertise[name].interface if name in advertise else ""):
            if card.driver in RISKY and card.checksums is not False:
                found.append(
                    Finding(
                        "kernel.checksums",
                        RISKY[card.driver] if card.checksums else Severity.NOTE,
                        f"{one_line(card.name, 20)} computes checksums of packets, and is a {card.driver}",
                        "some compute them wrongly inside VXLAN: ping works and TCP hangs (moby/moby#41775)",
                        f"if so, `ethtool -K {one_line(card.name, 20)} tx-checksum-ip-generic off`",
                        name,
                    )
                )
    return found


def _sending(kernel: Kernel, interface: str) -> list[Card]:
    """The cards that send what leaves by an interface."""
    own = [card for card in kernel.cards if card.interface == interface]
    if any(card.name == interface and card.driver in PASSING_ON for card in own):
        return [card for card in own if card.name != interface]
    return [card for card in own if card.name == interface]
