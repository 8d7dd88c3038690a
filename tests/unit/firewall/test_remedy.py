"""The command for each firewall, for exactly the packets that are dropped."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Interface

import pytest

from overweave.firewall.iptables import parse
from overweave.firewall.judge import drops
from overweave.firewall.remedy import remedy, ruler, zone_of
from overweave.firewall.rules import Tool

from .packets import packet
from .test_captured import captured

OWN = IPv4Interface("10.96.3.11/24")
VXLAN, GOSSIP = ["udp 4789"], ["udp 4789", "tcp 7946", "udp 7946"]


def told(tables, texts, *, peers=("10.96.3.12",), tool=Tool.IPTABLES_NFT):
    packets = [packet(text, peer=peer) for text in texts for peer in peers]
    *_, dropped = drops(tables, packets[0])
    return ruler(dropped), remedy(dropped, packets, own=OWN, tool=tool)


@pytest.mark.parametrize(
    ("name", "texts", "peers", "who", "command"),
    [
        ("ufw", VXLAN, ["10.96.3.12"], "ufw", "ufw allow proto udp from 10.96.3.12 to any port 4789"),
        (
            "ufw",
            GOSSIP,
            ["10.96.3.12", "10.96.3.13"],
            "ufw",
            "ufw allow proto udp from 10.96.3.0/24 to any port 4789,7946 && "
            "ufw allow proto tcp from 10.96.3.0/24 to any port 7946",
        ),
        (
            "ufw",
            VXLAN,
            ["10.96.3.12", "10.97.0.1"],
            "ufw",
            "ufw allow proto udp from 10.96.3.12 to any port 4789 && "
            "ufw allow proto udp from 10.97.0.1 to any port 4789",
        ),
        (
            "firewalld",
            GOSSIP,
            ["10.96.3.12"],
            "firewalld",
            "firewall-cmd --permanent --zone=public --add-port=4789/udp --add-port=7946/udp "
            "--add-port=7946/tcp && firewall-cmd --reload",
        ),
        (
            "mixed",
            ["udp 4789", "tcp 23"],
            ["10.96.3.12"],
            "nft",
            "nft insert rule inet filter input ip saddr 10.96.3.12 udp dport 4789 accept && "
            "nft insert rule inet filter input ip saddr 10.96.3.12 tcp dport 23 accept",
        ),
        (
            "mixed",
            ["udp 4789 out"],
            ["10.96.3.12", "10.97.0.1"],
            "nft",
            "nft insert rule inet filter output ip daddr '{ 10.96.3.12, 10.97.0.1 }' udp dport 4789 accept",
        ),
        (
            "mixed",
            ["tcp 7946"],
            ["10.96.3.12"],
            "iptables-legacy",
            "iptables-legacy -I INPUT -p tcp -s 10.96.3.12 --dport 7946 -j ACCEPT",
        ),
        (
            "mixed",
            ["udp 7946", "udp 8000"],
            ["10.96.3.12"],
            "iptables",
            "iptables -t raw -I PREROUTING -p udp -s 10.96.3.12 -m multiport --dports 7946,8000 -j ACCEPT",
        ),
    ],
)
def test_the_command(name, texts, peers, who, command):
    assert told(captured(name).tables, texts, peers=peers) == (who, command)


def test_a_rule_of_ones_own_that_denies_comes_before_what_is_added():
    rules = "-A INPUT -j ufw-user-input\n-A ufw-user-input -p udp -m udp --dport 4789 -j DROP"
    chains = ":INPUT ACCEPT [0:0]\n:ufw-user-input - [0:0]"
    tables = parse(f"*filter\n{chains}\n{rules}\nCOMMIT\n", Tool.IPTABLES_NFT)
    who, command = told(tables, VXLAN)
    assert (who, command) == ("ufw", "ufw insert 1 allow proto udp from 10.96.3.12 to any port 4789")


def test_names_that_a_host_chose_are_quoted():
    (table,) = parse("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -j DROP\nCOMMIT\n", Tool.IPTABLES_NFT)
    hostile = replace(table, name="x;reboot\n\x1b[2J", tool=Tool.NFT)
    _, command = told([hostile], VXLAN)
    assert command.startswith("nft insert rule ip 'x;reboot  [2J' INPUT ip saddr")


@pytest.mark.parametrize(
    ("path", "zone"),
    [
        (["filter_INPUT", "filter_IN_policy_x", "filter_INPUT_ZONES", "filter_IN_public", "x"], "public"),
        (["INPUT", "INPUT_ZONES", "IN_work"], "work"),
        (["filter_INPUT", "filter_IN_policy_x"], ""),
    ],
)
def test_the_zone_is_read_off_the_chains(path, zone):
    assert zone_of(path) == zone
