"""A store that somebody else runs: how it looks from a host, and what is refused for it."""

from __future__ import annotations

import socket
from types import SimpleNamespace

import pytest
from tests.contract.fakes import FakeHost, FakeStore
from tests.golden.site import Site, inventory_of

from overweave import storekeeping
from overweave.errors import Refused, StoreError
from overweave.facts.external import External, look
from overweave.model import Access, Fleet, Host, Store
from overweave.preflight import external
from overweave.preflight.ports import GOSSIP, needs
from overweave.state import summarize

THEIRS = Store(external="10.9.9.9", port=8501)
GOOD = External("", "10.9.9.9:8300", "1.8.7")


@pytest.fixture
def host(tmp_path):
    made = FakeHost(Host("a", Access("10.0.0.1")), tmp_path)
    made.listens["10.9.9.9", 8501] = lambda: socket.socketpair()[0]
    return made


class Closed(FakeStore):
    def agent(self):
        raise StoreError("403 Forbidden")

    sessions = agent


class Private(FakeStore):
    agent = Closed.agent


def test_how_it_looks_from_a_host(host):
    assert look(host, FakeStore(), THEIRS) == External("", "127.0.0.1:8300", "1.8.7")
    assert look(host, Private(), THEIRS) == External("", "127.0.0.1:8300")
    assert look(host, FakeStore(up=False), THEIRS) == External()
    assert look(host, Closed(), THEIRS) == External("", "127.0.0.1:8300", "", "403 Forbidden")
    host.listens.clear()
    assert look(host, FakeStore(), THEIRS) == External(
        "no connection to 10.9.9.9 port 8501 from the host: refused"
    )


def found(**seen):
    facts = SimpleNamespace(external=seen, hosts={})
    return [(f.host, str(f.refusal())) for f in external.reached(Fleet((), store=THEIRS), facts)]


def test_one_that_is_as_it_should_be_is_not_spoken_of():
    assert found(a=GOOD, b=GOOD) == []
    assert found() == []


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (
            External("no connection"),
            "b: the Consul at 10.9.9.9:8501 can't be reached: no connection: an engine without its store has "
            "no overlay networks (moby#18841)\n"
            "  -> open TCP 8501 from b to it, or correct `store: external:`",
        ),
        (
            External(),
            "b: what answers at 10.9.9.9:8501 is no Consul, or has no leader: an engine without its store "
            "has no overlay networks (moby#18841)\n"
            "  -> `consul operator raft list-peers -http-addr=10.9.9.9:8501` shows its servers",
        ),
        (
            External("", "10.9.9.9:8300", "", "403"),
            "b: the Consul at 10.9.9.9:8501 does not let its keys and sessions be read: 403: an engine "
            "without its store has no overlay networks (moby#18841)\n"
            "  -> allow keys under docker/ and sessions to the engines",
        ),
    ],
)
def test_what_engines_could_not_use_is_refused(seen, said):
    assert found(a=GOOD, b=seen) == [("b", said)]


def test_two_of_one_address_are_refused():
    assert found(a=GOOD, b=External("", "10.9.9.8:8300", "1.8.7")) == [
        (
            "",
            "hosts see other leaders at 10.9.9.9:8501: 10.9.9.8:8300, 10.9.9.9:8300: engines with another "
            "store are in another overlay\n"
            "  -> see whether it has one address on all hosts",
        )
    ]


def test_nothing_of_it_is_needed_between_the_hosts_and_status_says_where_it_is():
    site = Site(inventory_of(3) | {"store": {"external": "10.9.9.9:8501"}})
    assert needs(site.fleet) == GOSSIP
    assert (site.fleet.servers, site.fleet.agents) == ((), ())
    assert summarize(site.fleet, site.facts()).store.startswith(
        "Consul at 10.9.9.9:8501, leader 10.9.9.9:8300"
    )


def test_it_is_not_put_back_to_a_backup():
    with pytest.raises(Refused) as caught:
        storekeeping.make_restore(SimpleNamespace(fleet=Fleet((), store=THEIRS)), None)
    assert str(caught.value) == (
        "the Consul at 10.9.9.9:8501 is somebody else's, and holds more than this overlay\n"
        "  -> `consul snapshot restore` is for who runs it; `fab store-rebuild` writes lost records of "
        "overlays anew"
    )
