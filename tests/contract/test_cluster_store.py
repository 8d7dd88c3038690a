"""What every `ClusterStore` does beside its keys: the fake of the unit tests, and a real Consul over ssh."""

from __future__ import annotations

import io
import uuid
from base64 import b64encode

import pytest

from overweave.command import Secret
from overweave.errors import StoreError
from overweave.facts import store as facts
from overweave.stores import snapshot


def test_its_one_server_leads_votes_and_is_up_to_date(store):
    store.put("c/a", b"1")
    (peer,) = facts.peers(store)
    assert (peer.leader, peer.voter, peer.address) == (True, True, store.leader())
    (member,) = facts.members(store)
    assert (member.alive, member.server, member.id) == (True, True, peer.id)
    agent = facts.agent(store)
    assert (agent.id, agent.name, agent.version) == (peer.id, member.name, member.version)
    assert agent.raft is not None
    assert (agent.raft.state, agent.raft.last_contact) == ("Leader", 0)
    assert 0 < agent.raft.commit_index <= agent.raft.last_index
    (node,) = facts.nodes(store)
    assert (node.id, node.name, node.address) == (peer.id, member.name, member.address)
    assert facts.stale_nodes([node], [member]) == []


def test_its_server_has_the_quorum_written_down(store):
    assert facts.peers_as_known(store) == facts.peers(store)


def test_it_has_no_sessions_while_no_engine_uses_it(store):
    assert facts.leases(store) == ()
    assert store.holders("docker/nodes/") == {}


def test_a_snapshot_brings_back_what_was_there(store):
    store.put("b/kept", b"1")
    saved = store.save()
    assert snapshot.check(io.BytesIO(saved)).index > 0
    store.put("b/kept", b"2")
    store.put("b/later", b"3")
    store.restore(saved)
    assert store.tree("b/") == {"b/kept": b"1"}
    store.put("b/later", b"4")
    assert store.keys("b/") == ["b/kept", "b/later"]


def test_what_is_no_snapshot_is_not_restored(store):
    store.put("n/kept", b"1")
    with pytest.raises(StoreError, match="restoring a snapshot: status 500"):
        store.restore(b"no snapshot")
    assert store.get("n/kept") == b"1"


def test_an_agent_is_known_by_its_new_id(store):
    (node,) = facts.nodes(store)
    store.register_anew(node.name, "446c6b2c-1411-7730-aee9-f9d3dd1ef2f7", node.address)
    assert facts.nodes(store)[0].id == "446c6b2c-1411-7730-aee9-f9d3dd1ef2f7"
    assert facts.stale_nodes(facts.nodes(store), facts.members(store)) == list(facts.members(store))
    store.register_anew(node.name, node.id, node.address)
    assert facts.nodes(store) == (node,)


def test_a_token_is_known_once_it_was_granted_something_and_a_new_one_takes_its_place(store):
    one, two = (Secret(str(uuid.uuid4())) for _ in range(2))
    assert not store.admits(one)
    for _ in range(2):
        store.grant("somebody", 'key_prefix "some/" { policy = "write" }', one)
        assert store.admits(one)
    store.grant("somebody", 'key_prefix "other/" { policy = "write" }', two)
    assert store.admits(two)
    assert not store.admits(one)


def test_the_gossip_takes_another_key(store):
    key = Secret(b64encode(bytes(range(32))).decode())
    for _ in range(2):
        store.gossip_with(key)


def test_an_agent_that_nobody_knows_can_not_be_taken_out(store):
    with pytest.raises(StoreError, match=r"taking the agent no/body out: 500 .*No node found.*'no/body'"):
        store.force_leave("no/body")
    id_ = "446c6b2c-1411-7730-aee9-f9d3dd1ef2f7"
    with pytest.raises(StoreError, match=rf"taking the server {id_} out of raft: 500 .*was not found"):
        store.remove_server(id_)
    assert [peer.voter for peer in facts.peers(store)] == [True]


def test_a_store_that_nobody_runs_gives_errors(silent_store):
    for call, doing in (
        (silent_store.agent, "asking the agent about itself"),
        (silent_store.members, "listing the agents"),
        (silent_store.servers, "asking who votes"),
        (silent_store.servers_as_known, "asking who is to vote"),
        (silent_store.leave, "telling the agent to leave"),
        (silent_store.catalog, "listing the catalog's nodes"),
        (silent_store.sessions, "listing the sessions"),
        (lambda: silent_store.holders("t/"), "asking who holds t/"),
        (lambda: silent_store.save(), "making a snapshot"),
        (lambda: silent_store.restore(b""), "restoring a snapshot"),
        (lambda: silent_store.admits(Secret("t")), "asking whether a token is known"),
        (lambda: silent_store.grant("e", "", Secret("t")), "granting access to e"),
        (lambda: silent_store.gossip_with(Secret("k")), "setting the gossip's key"),
        (lambda: silent_store.register_anew("h", "1", "127.0.0.1"), "registering h anew"),
        (lambda: silent_store.force_leave("h"), "taking the agent h out"),
        (lambda: silent_store.remove_server("1"), "taking the server 1 out of raft"),
    ):
        with pytest.raises(StoreError) as caught:
            call()
        assert str(caught.value) == (
            f"the store: {doing}: no answer\n  -> see `docker logs consul` on its host"
        )
