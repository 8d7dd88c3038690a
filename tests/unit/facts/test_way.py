"""What a host knows of the way: routes, sockets, and the address that its engine tells."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.facts.test_namespaces import CAPTURED, OVERLAY, told

from overweave.facts.namespaces import HOST
from overweave.facts.way import RouteTo, Side, advertised, ports, route

SPACES = told(CAPTURED)


@pytest.mark.parametrize(
    ("stdout", "stderr", "found"),
    [
        (
            '[{"dst":"10.96.0.12","dev":"eth0","prefsrc":"10.96.0.11","flags":[],"uid":0,"cache":[]}]',
            "",
            RouteTo("eth0", "", "10.96.0.11"),
        ),
        (
            '[{"dst":"8.8.8.8","gateway":"10.96.0.1","dev":"eth0","prefsrc":"10.96.0.11"}]',
            "",
            RouteTo("eth0", "10.96.0.1", "10.96.0.11"),
        ),
        (
            '[{"type":"local","dst":"10.96.0.11","dev":"lo","prefsrc":"10.96.0.11"}]',
            "",
            RouteTo("lo", "", "10.96.0.11", local=True),
        ),
        ("", "RTNETLINK answers: Invalid argument\n", RouteTo("", "", "", problem="Invalid argument")),
        ("", "", RouteTo("", "", "", problem="there is no answer")),
        ("[{}]", "", RouteTo("", "", "", problem="there is no answer")),
        ("[" * 5000, "", RouteTo("", "", "", problem="there is no answer")),
    ],
)
def test_a_route_or_why_there_is_none(stdout, stderr, found):
    assert route(stdout, stderr) == found


@given(st.text(), st.text())
def test_any_answer_is_a_route_or_a_problem(stdout, stderr):
    found = route(stdout, stderr)
    assert bool(found.device) != bool(found.problem)


def test_ports_with_a_socket():
    table = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
  123: 00000000:12B5 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 45 2 0000 0
 9123: 0B00600A:0035 00000000:12B6 07 00000000:00000000 00:00000000 00000000     0        0 46 2 0000 0
  sl  local_address                         remote_address                        st tx_queue
   17: 00000000000000000000000000000000:1F0A 00000000000000000000000000000000:0000 07 00000000:00000000
"""
    assert ports(table) == {4789, 53, 7946}
    assert ports("nonsense: 12B5") == frozenset()


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("10.0.0.1:2376", "10.0.0.1"),
        ("eth0:2376", "10.96.0.11"),
        ("eth0", "10.96.0.11"),
        ("eth9:2376", ""),
        ("", ""),
    ],
)
def test_what_an_engine_advertises(value, address):
    assert advertised(value, SPACES[HOST]) == address


def test_the_addresses_and_the_port_of_a_side():
    side = Side("host1", SPACES[HOST], SPACES[OVERLAY], {}, "10.96.0.11")
    assert {"10.96.0.11", "172.17.0.1"} <= side.addresses
    assert side.port == 4789
    assert Side("host1", None, None, {}, "").port == 4789
