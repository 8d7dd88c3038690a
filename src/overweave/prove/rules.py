"""From what red pairs show to a cause and a remedy: the rules, as data, tried in this order.

A rule explains the red pairs that show all of its ``signs`` (see `signs`) and none of ``but``. Every rule is
proven by a fault that is injected on lab hosts (tests/lab/test_diagnosis.py).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from .signs import (
    BACK_ROW_WRONG,
    DEVICE_DOWN,
    LOSSY,
    NO_NEIGHBOUR,
    ROW_MISSING,
    ROW_RIGHT,
    ROW_WRONG,
    SILENT,
    UNDERLAY_DEAD,
    UNSEEN,
)


@dataclass(frozen=True)
class Rule:
    """``seen`` and ``fix`` may hold ``{a}``, ``{b}`` (hosts, or the host and "the others"), ``{at_a}``,
    ``{at_b}`` (their underlay addresses), ``{vxlan}`` (its port), ``{why}`` and ``{largest}``.

    ``warns``: it also speaks of pairs that are green.
    """

    name: str
    signs: frozenset[str]
    but: frozenset[str]
    seen: str
    fix: str
    issues: tuple[str, ...] = ()
    warns: bool = False


def rule(
    name: str,
    signs: set[str],
    *,
    but: set[str] | None = None,
    seen: str,
    fix: str,
    issues: tuple[str, ...] = (),
    warns: bool = False,
) -> Rule:
    return Rule(name, frozenset(signs), frozenset(but or ()), seen, fix, issues, warns)


UNEXPLAINED = rule(
    "unexplained",
    set(),
    seen="red, and no rule explains it",
    fix="`fab doctor` and `fab trace` show more",
)

LOSS_FIX = "look at load, cable and queues between {at_a} and {at_b}: `ip -s link`, `ethtool -S`"
RULES = (
    rule(
        "silent-host",
        {SILENT},
        seen="not all could be measured there: {why}",
        fix="see `journalctl -u docker` there, then prove again",
    ),
    rule(
        "underlay-dead",
        {"-udp", UNDERLAY_DEAD},
        seen="nothing passes on the underlay either",
        fix="look at cable, switch, route and firewall between {at_a} and {at_b}",
    ),
    rule(
        "vxlan-port",
        {"-udp", "-u:udp-4789"},
        seen="VXLAN packets don't arrive on the underlay, others do",
        fix="open UDP {vxlan} from {at_a} to {at_b}; `fab preflight` names the rule that drops it",
        issues=("moby#29979", "moby#33416"),
    ),
    rule(
        "gossip-port",
        {UNSEEN, "-udp", "-u:tcp-7946"},
        seen="their engines don't see each other: the gossip's port is closed",
        fix="open TCP and UDP 7946 between {at_a} and {at_b}, then `fab repair`",
        issues=("moby#25836", "moby#35807"),
    ),
    rule(
        "gossip-port",
        {UNSEEN, "-udp", "-u:udp-7946"},
        seen="their engines don't see each other: the gossip's port is closed",
        fix="open TCP and UDP 7946 between {at_a} and {at_b}, then `fab repair`",
        issues=("moby#25836", "moby#35807"),
    ),
    rule(
        "gossip-split",
        {UNSEEN, "-udp"},
        seen="the gossip is split: their engines don't see each other",
        fix="`fab repair` heals it without a restart",
        issues=("moby#35807", "libnetwork#962"),
    ),
    rule(
        "device-down",
        {DEVICE_DOWN},
        seen="the vxlan device in the overlay's namespace is down",
        fix="`fab trace` shows it and the command that brings it up; an engine's restart makes it anew",
    ),
    rule(
        "row-wrong",
        {ROW_WRONG},
        but={"+udp"},
        seen="the forwarding row leads to another host",
        fix="`fab repair` writes the right one",
        issues=("moby#52661",),
    ),
    rule(
        "other-address",
        {ROW_WRONG, "+udp"},
        seen="packets pass, but by a row that leads to another address than the host advertises",
        fix="`fab status` shows what the engines advertise; `fab repair` writes the right row",
        issues=("moby#17248",),
    ),
    rule(
        "row-missing",
        {ROW_MISSING},
        but={"+udp"},
        seen="the forwarding row is missing",
        fix="`fab repair` writes it; if names are missing too, `fab doctor` looks at the gossip",
        issues=("moby#35807", "moby#52661"),
    ),
    rule(
        "row-missing",
        {"-udp", NO_NEIGHBOUR},
        but={BACK_ROW_WRONG, "-back u:udp-4789"},
        seen="the neighbour row is missing, and the engine finds nobody who knows the address",
        fix="`fab repair` writes it",
        issues=("moby#35807",),
    ),
    rule(
        "vxlan-swallowed",
        {"-udp", ROW_RIGHT, "+u:udp-4789"},
        but={BACK_ROW_WRONG, "+icmp", "-back u:udp-4789"},
        seen="the rows are right, other VXLAN packets arrive, these don't: a device on the way is down",
        fix="`fab trace` shows the hop",
    ),
    rule(
        "vxlan-lost",
        {"-udp", ROW_RIGHT},
        but={BACK_ROW_WRONG, "+icmp", "-back u:udp-4789"},
        seen="the rows are right and packets don't arrive",
        fix="open UDP {vxlan} from {at_a} to {at_b}; `fab preflight` names the rule that drops it",
        issues=("moby#29979", "moby#33416"),
    ),
    rule(
        "icmp-filtered",
        {"-icmp", "+udp", "+connect"},
        but={"-back udp"},
        seen="everything passes but ping",
        fix="a rule in the containers' namespace, or of a security tool on a host, drops ICMP",
    ),
    rule(
        "icmp-filtered",
        {"-icmp", "+tcp"},
        seen="everything passes but ping",
        fix="a rule in the containers' namespace, or of a security tool on a host, drops ICMP",
    ),
    rule(
        "mtu",
        {"+icmp", "-mtu"},
        seen="small packets pass, full-size ones don't: {largest}",
        fix="set `network: mtu:` to the smallest on the path and deploy with --replace-network",
        issues=("libnetwork#1021", "libnetwork#2661"),
    ),
    rule(
        "checksum",
        {"+icmp", "-connect"},
        seen="ping passes and TCP doesn't",
        fix="if the NIC offloads checksums: `ethtool -K INTERFACE tx-checksum-ip-generic off` on both",
        issues=("moby#41775", "moby#46385"),
    ),
    rule(
        "loss",
        {LOSSY, "-tcp"},
        but={"-mtu"},
        seen="so many packets get lost that TCP stalls",
        fix=LOSS_FIX,
    ),
    rule(
        "stream",
        {"+icmp", "-tcp"},
        but={"-mtu"},
        seen="TCP connects and its data does not arrive whole",
        fix="if the NIC offloads segmentation: `ethtool -K INTERFACE tso off gso off` on both",
        issues=("moby#41775", "moby#46385"),
    ),
    rule(
        "names",
        {"+icmp", "-dns"},
        seen="packets pass, the name does not resolve",
        fix="`fab status` shows whether the store is reachable from {a}; `fab doctor` looks at the endpoints",
        issues=("moby#19376",),
    ),
    replace(UNEXPLAINED, signs=frozenset({"-udp"}), but=frozenset({BACK_ROW_WRONG, "-back u:udp-4789"})),
    # Where packets arrive and those of the other direction don't, only answers are missing: it has its cause.
    replace(UNEXPLAINED, but=frozenset({"-back udp", "-back u:udp-4789", BACK_ROW_WRONG})),
    rule(
        "loss",
        {LOSSY},
        seen="packets get lost",
        fix=LOSS_FIX,
        warns=True,
    ),
)
