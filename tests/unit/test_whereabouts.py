"""Which address a host had that can't be asked."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.doctor.overlay import Overlay

from overweave.errors import Refused
from overweave.facts.store import Member
from overweave.model import Access, Host
from overweave.whereabouts import find, strangers

REST = ("host1", "host2")
AGENT = Member("web3", "10.0.0.13", "failed", False, "id", "1.8.7")


def host(address, **more):
    return Host("host3", Access(address), **more)


def live():
    overlay = Overlay()
    overlay.forget("host3")
    return overlay.live()


def test_what_is_known_of_an_engine_that_is_on_none_of_the_hosts():
    assert strangers(live(), [AGENT], REST) == {"10.0.0.13": {"host3", "web3"}}
    assert strangers(live(), [replace(AGENT, state="left")], REST) == {"10.0.0.13": {"host3"}}
    nowhere = replace(live(), records=None)
    assert strangers(nowhere, [], REST)["10.0.0.13"] == {"host3"}, "from the gossip and the boot units"


@pytest.mark.parametrize(
    ("name", "wanted", "given", "address"),
    [
        ("host3", host("10.0.0.13"), "", "10.0.0.13"),
        ("host3", host("10.9.9.9", advertise="10.0.0.13"), "", "10.0.0.13"),
        ("10.0.0.13", None, "", "10.0.0.13"),
        ("host3", host("host3.example"), "", "10.0.0.13"),
        ("other", host("web3"), "", "10.0.0.13"),
        ("host3", host("elsewhere"), "10.7.7.7", "10.7.7.7"),
        ("other", host("10.9.9.9"), "", ""),
    ],
)
def test_by_what_it_is_found(name, wanted, given, address):
    assert find(name, wanted, {"10.0.0.13": frozenset({"host3", "web3"})}, given) == address


def test_nobody_knows_of_any():
    assert find("host3", host("host3.example"), {}) == ""


def test_one_of_several_has_to_be_named():
    known = {"10.0.0.14": frozenset[str](), "10.0.0.13": frozenset({"b", "a"})}
    with pytest.raises(Refused) as caught:
        find("host3", host("host3.example"), known)
    assert str(caught.value) == (
        "host3: which address it had is not known; of none of the other hosts are 10.0.0.13 (a, b), "
        "10.0.0.14\n"
        "  -> name the one it had: --address ADDRESS"
    )


def test_the_address_of_a_new_machine_does_not_say_what_the_old_one_had():
    with pytest.raises(Refused):
        find("host9", host("10.9.9.9"), {"10.0.0.13": frozenset({"host3"})}, moved=True)
