"""Network namespaces, from what a real host answered and from what one could."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overweave.command import Result
from overweave.facts.namespaces import HOST, Forwarding, Neighbour, Route, ask, parse

CAPTURED = (Path(__file__).parent / "captured/namespaces.txt").read_text()
"""Of Debian 11 (iproute2 5.10): the host's own, a container's and an overlay's; the mark is MARK."""
SANDBOX, OVERLAY = "/proc/1060/ns/net", "1-df8f31cc76"


def told(stdout, mark="MARK"):
    return parse(Result(ask("").query, 0, stdout, ""), mark)


def answer(links, neighbours="[]", rows="[]", routes="[]", title="ns 7"):
    parts = (title, *(p if isinstance(p, str) else json.dumps(p) for p in (links, neighbours, rows, routes)))
    return "".join(f"{part}\nMARK\n" for part in parts)


def test_the_captured_answer_of_a_host():
    found = told(CAPTURED)
    assert list(found) == [HOST, SANDBOX, OVERLAY]
    assert [its.inode for its in found.values()] == [4026532315, 4026533711, 4026532724]
    eth = found[SANDBOX].link("eth0")
    assert (eth.kind, eth.mac, eth.mtu, eth.up, eth.carrier) == (
        "veth",
        "02:42:0a:d3:00:05",
        1450,
        True,
        True,
    )
    assert eth.addresses == ("10.211.0.5/16",)
    port = found[OVERLAY].link("veth2")
    assert (port.index, port.peer, port.master) == (eth.peer, eth.index, "br0")
    (vxlan,) = found[OVERLAY].vxlans()
    assert (vxlan.name, vxlan.vni, vxlan.port, vxlan.local, vxlan.master) == ("vxlan0", 256, 4789, "", "br0")
    assert vxlan.sent > 0 < vxlan.received
    assert found[OVERLAY].link("br0").kind == "bridge"
    # docker0 is up, with nothing plugged in.
    docker0 = found[HOST].link("docker0")
    assert (docker0.up, docker0.carrier, docker0.addresses) == (True, False, ("172.17.0.1/16",))
    assert found[HOST].link("eth9") is None
    assert Neighbour("10.211.0.6", "02:42:0a:d3:00:06", "vxlan0", True) in found[OVERLAY].neighbours
    assert Forwarding("02:42:0a:d3:00:06", "vxlan0", "10.96.0.12", True) in found[OVERLAY].forwarding
    assert found[OVERLAY].vtep_of("10.211.0.6") == "10.96.0.12"
    assert found[OVERLAY].vtep_of("10.211.0.99") == ""
    assert found[OVERLAY].vtep_of("10.211.0.99", "02:42:0a:d3:00:06") == "10.96.0.12", "no neighbour row"
    assert found[OVERLAY].vtep_of("10.211.0.6", "02:42:0a:d3:00:63") == "10.96.0.12", "the row counts"
    assert Route("default", "172.18.0.1", "eth1", "") in found[SANDBOX].routes
    assert Route("10.211.0.0/16", "", "eth0", "10.211.0.5") in found[SANDBOX].routes


def test_a_namespace_that_went_while_it_was_looked_at_is_left_out():
    assert told(answer("")) == {}
    # One whose parts are cut off is not taken for another's.
    whole = answer([{"ifname": "lo"}])
    assert told(whole + "late 8\nMARK\n[]\nMARK\n") == told(whole)


def test_a_neighbour_without_a_mac_leads_nowhere():
    rows = [{"mac": "02:42:00:00:00:01", "ifname": "vxlan0", "dst": "10.0.0.2", "state": "permanent"}]
    dead = [{"dst": "10.1.0.1", "dev": "vxlan0", "state": ["FAILED"]}]
    (its,) = told(answer([{"ifname": "vxlan0"}], dead, rows)).values()
    assert its.neighbours == (Neighbour("10.1.0.1", "", "vxlan0", False),)
    assert its.vtep_of("10.1.0.1") == ""


@pytest.mark.parametrize("links", ["{", "[" * 5000, '{"ifname": "x"}', "7", "null", '["x", 1, null]', "[{}]"])
def test_an_answer_without_links_is_no_namespace(links):
    assert told(answer(links)) == {}


def test_what_is_of_another_type_is_empty_and_names_are_one_line():
    raw = {
        "ifname": "e\n\x1b[31mth",
        "ifindex": True,
        "mtu": "1500",
        "flags": "UP",
        "linkinfo": [],
        "address": None,
        "addr_info": [{"family": "inet", "local": "10.0.0.1", "prefixlen": "24"}, 7],
    }
    (its,) = told(answer([raw], {"dst": 1}, [None], [[]], title="a\tb x")).values()
    (link,) = its.links
    assert (its.name, its.inode) == ("a b", 0)
    assert link.name.isprintable()
    assert (link.index, link.mtu, link.up, link.kind, link.mac) == (0, 0, False, "", "")
    assert link.addresses == ("10.0.0.1/0",)
    assert its.neighbours == its.forwarding == its.routes == ()


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(["ifname", "linkinfo", "info_data", "dst", "flags"]) | st.text(), inner
        )
    ),
)


@given(st.lists(anything, min_size=4, max_size=4), st.text())
def test_any_json_at_all_is_a_value(parts, title):
    told(answer(*(json.dumps(part) for part in parts), title=title.replace("MARK", "")))


@given(st.text())
def test_any_text_at_all_is_a_value(text):
    told(text)


def test_the_other_end_of_a_pair_is_found_by_both_indices():
    found = told(CAPTURED)
    eth, port = found[SANDBOX].link("eth0"), found[OVERLAY].link("veth2")
    assert found[OVERLAY].other_end(eth) == port
    assert found[SANDBOX].other_end(port) == eth
    # An index alone is that of other devices in other namespaces.
    assert found[OVERLAY].other_end(replace(eth, index=eth.index + 1000)) is None
    assert found[OVERLAY].other_end(replace(eth, peer=port.index + 1000)) is None


def test_the_interface_of_an_endpoint_is_found_by_its_mac_else_by_its_address():
    sandbox = told(CAPTURED)[SANDBOX]
    eth = sandbox.link("eth0")
    assert sandbox.interface(eth.mac, "") == sandbox.interface("", "10.211.0.5") == eth
    assert sandbox.interface("02:42:00:00:00:09", "10.211.0.5") == eth
    assert sandbox.interface("", "") is None


def test_links_alone_have_five_parts_too(tmp_path):
    """For hundreds of namespaces, one program in each instead of four."""
    links = json.dumps([{"ifname": "lo", "addr_info": [{"family": "inet", "local": "127.0.0.1"}]}])
    for program in ("ip", "bridge"):
        (tmp_path / program).write_text(f"#!/bin/sh\necho {program} \"$@\" >&2\necho '{links}'\n")
        (tmp_path / program).chmod(0o755)
    look = ask("", links_only=True)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    ran = subprocess.run(look.query.words, env=env, capture_output=True, text=True)
    assert ran.stderr == "ip -json -d address\n"
    (its,) = parse(Result(look.query, ran.returncode, ran.stdout, ran.stderr), look.mark).values()
    assert its.link("lo").addresses
    assert (its.neighbours, its.forwarding, its.routes) == ((), (), ())


def test_what_is_asked_for_needs_no_quoting():
    look = ask("", "*-abc", "/proc/1/ns/net; reboot")
    assert look.query.words[-3:] == ("", "*-abc", "/proc/1/ns/net; reboot")
    assert look.mark in look.query.words
