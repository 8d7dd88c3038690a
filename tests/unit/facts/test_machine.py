"""What preflight knows of each host by itself: answers of real hosts, and answers of no sense."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overweave.command import Result, query
from overweave.facts import clock, disks, firewall, kernel, names, services, text
from overweave.facts.disks import Disk
from overweave.facts.kernel import Card, Kernel
from overweave.facts.names import Names
from overweave.facts.services import Service

from .answers import MISSING, answers

LINKS = "bridge \nveth \nvxlan \n"
FORWARD, FILTER, LIMIT = kernel.FORWARD, kernel.BRIDGE, kernel.NEIGHBOURS
SETTINGS = f"{FORWARD} 1\n{FILTER} 1\n{LIMIT} 1024\n"
CARDS = "eth0\teth0\tvmxnet3\ton\t\nbond0\tbond0\tbonding\toff\t\nbond0\teth1\tvirtio_net\t\n"


def of_kernel(links=LINKS, settings=SETTINGS, cards=CARDS, encryption="yes\n"):
    told = {"ip xfrm": encryption, "ip link add": links, "/proc/sys/net": settings, "ethtool": cards}
    return kernel.parse(answers(kernel.queries(("eth0", "bond0")), told))


def test_a_kernel_that_has_everything():
    assert of_kernel() == Kernel(
        links={"bridge": "", "veth": "", "vxlan": ""},
        forwards=True,
        neighbours=1024,
        bridge_filter=True,
        cards=(
            Card("eth0", "eth0", "vmxnet3", True),
            Card("bond0", "bond0", "bonding", False),
            Card("bond0", "eth1", "virtio_net", None),
        ),
    )


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("yes\n", ""),
        ("Error: Requested AEAD algorithm not found.\n", "Error: Requested AEAD algorithm not found."),
        ("status 127\n", "status 127"),
        (MISSING, "it was not told"),
    ],
)
def test_a_kernel_that_can_not_encrypt_says_why(said, why):
    assert of_kernel(encryption=said).unencrypted == why


@pytest.mark.parametrize(
    ("said", "links"),
    [
        ("bridge \nveth \nvxlan RTNETLINK answers: Operation not supported\n",
         {"bridge": "", "veth": "", "vxlan": "RTNETLINK answers: Operation not supported"}),
        ("- 127\n", {}),
        (MISSING, {}),
    ],
)  # fmt: skip
def test_links_that_can_not_be_made_come_with_the_reason(said, links):
    assert of_kernel(links=said).links == links


@pytest.mark.parametrize(
    ("said", "forwards", "neighbours", "bridge_filter"),
    [
        (f"{FORWARD} 0\n{FILTER} \n{LIMIT} \nbr_netfilter yes\n", False, None, True),
        (f"{FORWARD} \n{FILTER} 0\n{LIMIT} x\n", None, None, True),
        (f"{FORWARD} 1\n{FILTER} \n{LIMIT} 8192\n", True, 8192, False),
    ],
)
def test_settings(said, forwards, neighbours, bridge_filter):
    found = of_kernel(settings=said)
    assert (found.forwards, found.neighbours, found.bridge_filter) == (forwards, neighbours, bridge_filter)


ROOM = """\
/data/docker
4096 25000 16777216 16333857
yes
/etc
4096 10 0 0
no
/var/lib

yes
/var/log
1 2 3
yes
"""


def test_disks():
    assert disks.parse(answers(disks.queries("/data/docker"), {"stat -f": ROOM})) == (
        Disk("/data/docker", 102_400_000, 16333857, True),
        Disk("/etc", 40960, None, False),
    )


@pytest.mark.parametrize(
    ("said", "ahead"),
    [("1795273719.568361678\n", 1795273609.568), ("1795273719.%N\n", 1795273609), ("x", None), ("-1", None),
     ("9" * 20, None), (MISSING, None)],
)  # fmt: skip
def test_the_time_is_that_in_the_middle_of_the_question(said, ahead):
    reading = clock.parse(answers(clock.QUERIES, {"date": said}), asked=100, answered=120)
    if ahead is None:
        assert reading is None
    else:
        assert reading.ahead == pytest.approx(ahead, abs=0.001)
        assert reading.give == 10


@pytest.mark.parametrize(
    ("files", "own", "found"),
    [
        ("", "10.0.0.11 web1\n", Names((), True)),
        (
            "# by hand\nnameserver 10.0.0.1\nsearch x\nnameserver fe80::1%eth0\nnameserver\n"
            "nameserver 127.0.0.53\nnameserver 10.0.0.1\n",
            (2, ""),
            Names((IPv4Address("10.0.0.1"), IPv4Address("127.0.0.53")), False),
        ),
        ("", (124, ""), Names((), False)),
        ("", (127, ""), Names((), None)),
    ],
)
def test_names(files, own, found):
    assert names.parse(answers(names.QUERIES, {"resolv.conf": files, "getent": own})) == found


SHOWN = """\
Result=start-limit-hit
NRestarts=3
Id=docker.service
LoadState=loaded
ActiveState=failed
NeedDaemonReload=yes

Result=success
Id=docker.socket
LoadState=loaded
ActiveState=active
NeedDaemonReload=no

Id=containerd.service
LoadState=not-found
ActiveState=inactive
"""


def test_services():
    assert services.parse(answers(services.QUERIES, {"systemctl": SHOWN})) == (
        Service("docker.service", "failed", "start-limit-hit", 3, True),
        Service("docker.socket", "active", "success", 0, False),
    )


RULES = "*filter\n:INPUT DROP [0:0]\n-A INPUT -p udp -j DROP\nCOMMIT\n"


@pytest.mark.parametrize(
    ("told", "tool", "tables", "problem"),
    [
        ({}, None, [], ""),
        ({f"sh {firewall.LIMIT} -a": "table inet filter {\n}\n"}, None, [],
         "nft is too old for JSON (before 0.9), or made without it"),
        ({f"sh {firewall.LIMIT} iptables-nft-save": RULES,
          "iptables -V'": "iptables v1.8.7 (nf_tables)\n"},
         "iptables-nft",
         [("iptables-nft", "filter")], ""),
        ({f"sh {firewall.LIMIT} iptables-legacy-save": RULES,
          "iptables -V'": "iptables v1.4.21\n"}, "iptables-legacy",
         [("iptables-legacy", "filter")], ""),
        ({f"sh {firewall.LIMIT} -j": "x"}, None, [],
         "nft printed something that makes no sense: JSONDecodeError"),
        ({f"sh {firewall.LIMIT} iptables-nft-save": RULES + "#" * firewall.LIMIT}, None,
         [("iptables-nft", "filter")],
         "there are more than 1.4 MB of rules"),
    ],
)  # fmt: skip
def test_firewalls(told, tool, tables, problem):
    found = firewall.parse(answers(firewall.QUERIES, told))
    assert (found.tool, [(t.tool, t.name) for t in found.tables], found.problem) == (tool, tables, problem)


@pytest.mark.parametrize(
    ("said", "number"), [("12\n", 12), ("", None), ("-1", None), ("1" * 19, None), ("٣", None), ("1e3", None)]
)
def test_numbers_are_bounded(said, number):
    assert text.number(said) == number


LINES = st.sampled_from(
    ["bridge", "vxlan x", "- 1", "ipv4/ip_forward 1", "eth0\teth0\tx", "\t\t\t", "/etc", "1 2 3 4", "yes", "",
     "nameserver", "nameserver 1.2.3.4", "Id=docker.service", "LoadState=loaded", "NRestarts=x", "*filter",
     "-A INPUT", "12.5", "{}"]
)  # fmt: skip
PARSERS = {
    kernel.parse: 4,
    disks.parse: 1,
    lambda results: clock.parse(results, 1, 2): 1,
    names.parse: 2,
    services.parse: 1,
    firewall.parse: 5,
}


@given(
    st.lists(st.tuples(st.integers(0, 255), st.lists(LINES | st.text(max_size=9)).map("\n".join)), min_size=1)
)
def test_no_answer_breaks_a_parser(said):
    for parse, count in PARSERS.items():
        results = [said[i % len(said)] for i in range(count)]
        parse([Result(query("x"), status, out, "") for status, out in results])
