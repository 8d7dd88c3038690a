"""`iptables-save`, a rule at a time, as versions from 1.4 to 1.8 print them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overweave.firewall.iptables import parse
from overweave.firewall.rules import Tool

from .packets import packet, verdict


def judge(rules, its, *, table="filter", policies=":INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"):
    text = f"# Generated\n*{table}\n{policies}{rules}\nCOMMIT\n# Completed\n"
    found = verdict(parse(text, Tool.IPTABLES_NFT), packet(its))
    return found if found == "passes" else ["?" if text.endswith(" ?") else "drop" for text in found]


DROPS, PASSES, MAYBE = ["drop"], "passes", ["?"]


@pytest.mark.parametrize(
    ("rule", "its", "found"),
    [
        ("-p udp -m udp --dport 4789 -j DROP", "udp 4789", DROPS),
        ("-p udp -m udp --dport 4789 -j DROP", "tcp 4789", PASSES),
        ("-p 17 --dport 4700:4800 -j REJECT --reject-with icmp-port-unreachable", "udp 4789", DROPS),
        ("-p udp ! --dport 22 -j DROP", "udp 4789", DROPS),
        ("! -p udp -j DROP", "udp 4789", PASSES),
        ("-p udp -m multiport --dports 22,4780:4790 -j DROP", "udp 4789", DROPS),
        ("-p udp -m multiport ! --dports 22,4789 -j DROP", "udp 4789", PASSES),
        ("-p udp -m udp --dport 1:22 -j DROP", "udp 4789", PASSES),
        ("-s 10.0.0.12/32 -j DROP", "udp 4789", DROPS),
        ("-s 10.0.0.0/255.255.255.0 -j DROP", "udp 4789", DROPS),
        ("! -s 10.0.0.0/24 -j DROP", "udp 4789", PASSES),
        ("-s 10.9.0.0/16 -j DROP", "udp 4789", PASSES),
        ("-s 10.0.0.12/255.0.255.255 -j DROP", "udp 4789", MAYBE),
        ("-d 10.0.0.11/32 -j DROP", "udp 4789", DROPS),
        ("-m iprange --src-range 10.0.0.10-10.0.0.20 -j DROP", "udp 4789", DROPS),
        ("-m iprange ! --dst-range 10.0.0.10-10.0.0.20 -j DROP", "udp 4789", PASSES),
        ("-i eth0 -j DROP", "udp 4789", DROPS),
        ("-i eth+ -j DROP", "udp 4789", DROPS),
        ("! -i lo -j DROP", "udp 4789", DROPS),
        ("-i eth1 -j DROP", "udp 4789", PASSES),
        ("-m conntrack --ctstate RELATED,ESTABLISHED -j DROP", "udp 4789", PASSES),
        ("-m conntrack --ctstate INVALID,NEW -j DROP", "udp 4789", DROPS),
        ("-m conntrack ! --ctstate ESTABLISHED -j DROP", "udp 4789", DROPS),
        ("-m state --state NEW -j DROP", "udp 4789", DROPS),
        ("-m addrtype --dst-type LOCAL -j DROP", "udp 4789", DROPS),
        ("-m addrtype ! --dst-type LOCAL -j DROP", "udp 4789", PASSES),
        ("-m addrtype --src-type LOCAL -j DROP", "udp 4789", PASSES),
        ("-m addrtype --dst-type BROADCAST -j DROP", "udp 4789", MAYBE),
        ("-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j DROP", "tcp 7946", DROPS),
        ("-p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -j DROP", "tcp 7946", PASSES),
        ("-p tcp -m tcp --tcp-flags FIN,SYN FIN,SYN -j DROP", "tcp 7946", PASSES),
        ("-p tcp -m tcp --tcp-flags ALL NONE -j DROP", "tcp 7946", PASSES),
        ("-p udp -m udp --sport 1024:65535 -j DROP", "udp 4789", MAYBE),
        ("-p udp -m udp --sport 0:65535 -j DROP", "udp 4789", DROPS),
        ("-m limit --limit 5/sec --limit-burst 7 -j DROP", "udp 4789", MAYBE),
        ("-p tcp -m limit --limit 5/sec -j DROP", "udp 4789", PASSES),
        ("-m set --match-set bad src -j DROP", "udp 4789", MAYBE),
        ("-m mark ! --mark 0x1/0x1 -j DROP", "udp 4789", MAYBE),
        ('-m comment --comment "an \\"odd\\" -j one" -j DROP', "udp 4789", DROPS),
        ('-m comment --comment "no end -j DROP', "udp 4789", MAYBE),
        ("-f -j DROP", "udp 4789", PASSES),
        ("! -f -j DROP", "udp 4789", DROPS),
        ("-j NFQUEUE --queue-num 0", "udp 4789", MAYBE),
        ("-j LOG --log-prefix \"x \" --log-level 4", "udp 4789", PASSES),
        ("-p udp -m udp --dport 4789", "udp 4789", PASSES),
        ("-p udp -m udp --dport ssh -j DROP", "udp 4789", MAYBE),
        ("-p all -j DROP", "udp 4789", DROPS),
        ("-o eth0 -j DROP", "udp 4789", PASSES),
    ],
)  # fmt: skip
def test_a_rule(rule, its, found):
    assert judge(f"-A INPUT {rule}", its) == found
    assert judge(f"[12:3456] -A INPUT {rule}", its) == found


@pytest.mark.parametrize(
    ("rules", "its", "found"),
    [
        ("-A INPUT -j F\n-A F -p udp -j DROP", "udp 4789", DROPS),
        ("-A INPUT -g F\n-A F -p tcp -j DROP", "udp 4789", PASSES),
        ("-A INPUT -j ACCEPT\n-A INPUT -j DROP", "udp 4789", PASSES),
        ("-A OUTPUT -o eth0 -p udp -m udp --dport 4789 -j DROP", "udp 4789 out", DROPS),
        ("-A OUTPUT -d 10.0.0.12/32 -j DROP", "udp 4789 out", DROPS),
        ("-A INPUT -j DROP", "udp 4789 out", PASSES),
    ],
)
def test_chains(rules, its, found):
    assert judge(rules, its, policies=":INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:F - [0:0]\n") == found


def test_policies_and_tables():
    assert judge("", "udp 4789", policies=":INPUT DROP [0:0]\n") == DROPS
    assert (
        judge("-A PREROUTING -j DROP", "udp 4789", table="raw", policies=":PREROUTING ACCEPT [0:0]\n")
        == DROPS
    )
    assert judge("-A INPUT -j DROP", "udp 4789", table="nat") == PASSES


def test_a_rule_is_told_as_it_was_printed():
    line = '-A INPUT -s 10.0.0.12/32 -p udp -m comment --comment "it\\\'s odd" -j DROP'
    tables = parse(f"*filter\n:INPUT ACCEPT [0:0]\n[1:2] {line}\nCOMMIT\n", Tool.IPTABLES_LEGACY)
    assert verdict(tables, packet("udp 4789")) == [line]
    assert (tables[0].tool, tables[0].rules) == (Tool.IPTABLES_LEGACY, 1)


WORDS = st.sampled_from(
    [
        *(
            "*filter",
            ":INPUT",
            ":F",
            "DROP",
            "-",
            "ACCEPT",
            "COMMIT",
            "-A INPUT",
            "-A F",
            "-p",
            "udp",
            "-s",
            "!",
        ),
        *(
            "10.0.0.0/24",
            "-d",
            "-i",
            "eth+",
            "-j",
            "-g",
            "-m",
            "limit",
            "multiport",
            "--dport",
            "--dports",
            '"',
        ),
        *("1,2:3", "99999", "--ctstate", "NEW", "--tcp-flags", "ALL", "--comment", "'", "\\", "#", "-f"),
        *("--src-range", "1.2.3.4-5", "\n"),
    ]
)


@given(st.lists(WORDS | st.text(max_size=4)).map(" ".join) | st.text())
def test_no_text_breaks_it(text):
    for tables in (parse(text, Tool.IPTABLES_NFT), parse(text.replace(" \n ", "\n"), Tool.IPTABLES_NFT)):
        verdict(tables, packet("udp 4789"))
        verdict(tables, packet("tcp 7946 out"))
