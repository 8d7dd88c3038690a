"""Whole rule sets of real hosts, as Debian 11 printed them: ufw, firewalld, and a mixture by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from overweave.command import Result, query
from overweave.facts.firewall import parse
from overweave.firewall.rules import Tool

from .packets import packet as between
from .packets import verdict

CAPTURED = Path(__file__).parent / "captured"
UFW = "policy of INPUT"
FIREWALLD = "reject with icmpx type admin-prohibited"
RAW = (
    "-A PREROUTING -s 10.96.3.12/32 -p udp -m multiport --dports 7946,8000:9000 "
    '-m comment --comment "it\\\'s \\"odd\\"" -j DROP'
)


def captured(name):
    """The firewall of a host, from its four answers."""
    answers = ["iptables v1.8.7 (nf_tables)"]
    for kind in ("iptables", "legacy", "json", "nft"):
        path = CAPTURED / f"{name}.{kind}"
        answers.append(path.read_text() if path.exists() else "")
    return parse([Result(query("x"), 0, text, "") for text in answers])


def packet(text, peer="10.96.3.12"):
    return between(text, peer=peer)


@pytest.mark.parametrize(
    ("name", "its", "found"),
    [
        ("ufw", "udp 4789", [UFW]),
        ("ufw", "tcp 7946", [UFW]),
        ("ufw", "tcp 22", "passes"),
        ("ufw", "udp 4789 out", "passes"),
        ("firewalld", "udp 4789", [FIREWALLD]),
        ("firewalld", "tcp 8500", [FIREWALLD]),
        ("firewalld", "tcp 22", "passes"),
        ("firewalld", "udp 4789 out", "passes"),
        ("mixed", "udp 4789", ["-A INPUT -p udp -m udp --dport 4789 -m limit --limit 5/sec -j DROP ?",
                               "policy of input"]),
        ("mixed", "udp 7946", [RAW]),
        ("mixed", "tcp 7946",
         ["-A INPUT -p tcp -m tcp --dport 7946 -j REJECT --reject-with icmp-port-unreachable"]),
        ("mixed", "tcp 8500", "passes"),
        ("mixed", "tcp 22", "passes"),
        ("mixed", "tcp 23", ["policy of input"]),
        ("mixed", "udp 4789 out",
         ["udp dport 4789 ip daddr != { 10.1.0.0/16, 10.2.0.5 } counter packets 0 bytes 0 reject"]),
    ],
)  # fmt: skip
def test_what_a_real_host_drops(name, its, found):
    assert verdict(captured(name).tables, packet(its)) == found


def test_what_the_extensions_of_iptables_match_is_read_where_it_is_told():
    """In nft's own words ufw's rules have holes, and every packet may be dropped."""
    tables = captured("ufw").tables
    assert {t.tool for t in tables if t.name == "filter" and t.family == "ip"} == {Tool.IPTABLES_NFT}


def test_both_flavours_are_read():
    firewall = captured("mixed")
    assert (firewall.tool, firewall.problem) == (Tool.IPTABLES_NFT, "")
    assert {t.tool for t in firewall.tables} == set(Tool)
