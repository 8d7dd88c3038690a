"""What is named as the limit, and what is not."""

from __future__ import annotations

from overweave.bench.figures import OVERLAY, UNDERLAY, Busy, Device, Flow, Limit, Measured, Plane
from overweave.bench.limits import FEATURES, features, limits

ETHTOOL = """\
Features for eth0:
rx-checksumming: on [fixed]
tx-checksumming: on
	tx-checksum-ip-generic: on
tcp-segmentation-offload: on
	tx-tcp-segmentation: on
generic-receive-offload: off
tx-udp_tnl-segmentation: off [fixed]
large-receive-offload: off [fixed]
"""
ALL_ON = dict.fromkeys(FEATURES, True)
PLAIN = Device("eth0", 1500, 1450, ALL_ON)


def measured(ratio, busy=None):
    flow = Flow(ratio * 1e10, {"a": busy, "b": busy} if busy else {})
    return [Measured("a", "b", {OVERLAY: Plane({"one": flow}), UNDERLAY: Plane({"one": Flow(1e10)})})]


def kinds(found):
    return [(limit.kind, limit.hosts) for limit in found]


def test_features_are_read_from_what_ethtool_prints():
    assert features(ETHTOOL) == {
        "tx-checksumming": True,
        "tcp-segmentation-offload": True,
        "generic-receive-offload": False,
        "tx-udp_tnl-segmentation": False,
    }
    assert features("netlink error: No such device\n") == {}
    assert features("tx-checksumming:\ntx-checksumming: maybe\n") == {}


def test_a_fast_overlay_is_limited_by_its_packets_alone():
    (only,) = limits(measured(0.96), {"a": PLAIN, "b": Device("eth0", 1500, 1450)})
    assert only == Limit(
        "mtu",
        "1398 bytes of data in a packet against 1448 on the underlay: at best 0.97 of it",
        ("a", "b"),
    )


def test_packets_that_could_be_larger_are_told():
    told = [limit.told for limit in limits(measured(0.96), {"a": Device("eth0", 9000, 1450, ALL_ON)})]
    assert told == [
        "1398 bytes of data in a packet against 8948 on the underlay: at best 0.92 of it; packets could be "
        "7500 bytes larger: `fab deploy-overlay --mtu 9000 --replace-network`"
    ]


def test_processors_that_are_busy_are_named():
    devices = {"a": PLAIN, "b": PLAIN}
    one, every = Busy(0.3, 0.99, 8), Busy(0.95, 1.0, 8)
    assert limits(measured(0.5, one), devices)[1:] == (
        Limit(
            "cpu", "one processor is busy, up to 99% of the time, while the overlay carries data", ("a", "b")
        ),
    )
    assert limits(measured(0.5, every), devices)[1:] == (
        Limit(
            "cpu",
            "all processors are busy, up to 95% of the time, while the overlay carries data",
            ("a", "b"),
        ),
    )
    assert kinds(limits(measured(0.96, Busy(0.2, 0.5, 8)), devices)) == [("mtu", ("a", "b"))]


def test_offloads_are_named_where_the_overlay_is_slow():
    off = Device("eth1", 1500, 1450, ALL_ON | {"tx-udp_tnl-segmentation": False})
    devices = {"a": off, "b": PLAIN}
    assert limits(measured(0.5), devices)[1:] == (
        Limit(
            "offload",
            "tx-udp_tnl-segmentation of eth1 is off: a processor cuts VXLAN packets",
            ("a",),
        ),
    )
    assert kinds(limits(measured(0.96), devices)) == [("mtu", ("a", "b"))]
    unasked = limits(measured(0.5), {"a": Device("eth0", 1500, 1450)})[1:]
    assert unasked == (Limit("offload", "not known: there is no ethtool to ask", ("a",)),)


def test_what_nothing_explains_is_said():
    assert limits(measured(0.5), {"a": PLAIN})[1:] == (
        Limit(
            "unknown",
            "the overlay carries 0.50 of the underlay, and no MTU, offload or processor explains it",
        ),
    )


def test_where_nothing_was_measured_only_packets_are_told():
    nothing = [Measured("a", "b", {OVERLAY: Plane(), UNDERLAY: Plane()})]
    assert kinds(limits(nothing, {"a": PLAIN})) == [("mtu", ("a",))]
