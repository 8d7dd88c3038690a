"""What a move to a swarm has to keep, out of an engine's answers and out of its own note."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from overweave.command import Result
from overweave.errors import EngineError, Refused
from overweave.facts.absent import Absent
from overweave.facts.engine import Container, Engine, parse_network
from overweave.facts.moving import MoveNote, Moving, Overlay, Pool, Seat, Wired, look

OVERLAY = {
    "Id": "n1",
    "Name": "shop",
    "Driver": "overlay",
    "Scope": "global",
    "EnableIPv6": False,
    "Internal": True,
    "IPAM": {
        "Driver": "default",
        "Config": [
            {
                "Subnet": "10.77.0.0/24",
                "Gateway": "10.77.0.1/24",
                "IPRange": "10.77.0.128/25",
                "AuxiliaryAddresses": {"r": "10.77.0.9"},
            }
        ],
    },
    "Options": {"com.docker.network.driver.mtu": "1400"},
    "Labels": {"note": "two\nlines"},
}
CONTAINER = {
    "Id": "abcdef123456789",
    "Name": "/web",
    "State": {"Running": True},
    "HostConfig": {"NetworkMode": "shop", "AutoRemove": True},
    "NetworkSettings": {
        "Networks": {
            "bridge": {"NetworkID": "b"},
            "shop": {
                "NetworkID": "n1",
                "Aliases": ["db", "abcdef123456"],
                "IPAMConfig": {"IPv4Address": "10.77.0.50"},
                "Links": None,
            },
        }
    },
}
SHOP = Overlay(
    "n1",
    "shop",
    "overlay",
    (Pool("10.77.0.0/24", "10.77.0.1", "10.77.0.128/25", ("10.77.0.9",)),),
    {"com.docker.network.driver.mtu": "1400"},
    {"note": "two\nlines"},
    internal=True,
)
SEAT = Seat("n1", {"Aliases": ["db"], "IPAMConfig": {"IPv4Address": "10.77.0.50"}})
WEB = Wired("web", True, "shop", True, {"shop": SEAT})
NOTE = MoveNote({"shop": SHOP}, {"web": WEB}, "[Service]\nExecStart=\n", ("host1", "host2"))


def looked(note="", container=CONTAINER, network=OVERLAY, running=True):
    engine = SimpleNamespace(network=lambda name: network, container=lambda name: container)
    reader = SimpleNamespace(engine=engine, ask=lambda query: (Result(query, 0, note, ""),))
    there = (Container("web", "x", True, {}), Container("ours", "x", True, {"io.overweave.spec": "1"}))
    none = frozenset()
    networks = (parse_network(OVERLAY),)
    its = Engine(running, "20.10.5", True, "", there if running else (), none, none, networks)
    return look(reader, SimpleNamespace(name="host1", engine=its))


def test_networks_and_containers_with_all_that_others_of_their_names_have_to_have():
    assert looked() == Moving(None, (SHOP,), {"web": WEB})
    assert (SEAT.fixed, Seat("n1").fixed) == ("10.77.0.50", "")


def test_a_note_says_again_what_it_was_told_with_its_lines():
    assert looked(NOTE.text()).note == NOTE
    assert looked(NOTE.text(), running=False) == Moving(NOTE)
    none = SimpleNamespace(name="h", engine=Absent("no dockerd"))
    assert look(SimpleNamespace(ask=lambda query: (Result(query, 0, "", ""),)), none) == Moving()


@pytest.mark.parametrize(
    "text", ["{", "7", "{}", '{"networks": [7]}', NOTE.text().replace('"drop_in": "', '"drop_in": 7, "x": "')]
)
def test_a_note_that_can_not_be_read_stops_all_that_would_need_it(text):
    with pytest.raises(Refused) as caught:
        looked(text)
    first, hint = str(caught.value).split("\n")
    assert first.startswith("host1: its note of the move, /var/lib/overweave/move.json, can't be read: ")
    assert hint == "  -> it has the networks, aliases and flags of before: put a copy of it back"


@pytest.mark.parametrize("odd", [7, {}, {"Id": 7}, OVERLAY | {"Labels": {"a": 7}}, OVERLAY | {"IPAM": "x"}])
def test_an_answer_that_makes_no_sense_is_told_as_one(odd):
    with pytest.raises(EngineError, match=r"^what the engine says of its overlays makes no sense: "):
        looked(network=odd)


def test_what_is_noted_is_json_that_somebody_can_read():
    assert json.loads(NOTE.text())["managers"] == ["host1", "host2"]
