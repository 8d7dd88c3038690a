"""Changes the list of servers that a store in etcd has."""

from __future__ import annotations

from overweave.errors import DeadlineExceeded, StoreError
from overweave.facts import etcd as etcd_facts
from overweave.steps import AddMember, RemoveMember
from overweave.stores import etcd
from overweave.waiting import wait_until

from .world import World

SECONDS = 30.0
"""etcd takes nobody in or out until all others have been in touch for 5 s (etcdserver.HealthInterval), and
says no more than that something is wrong with it (status 500)."""


def change_members(step: AddMember | RemoveMember, world: World) -> None:
    """Asked again till the list shows it: an answer that was lost does not tell whether it was done."""
    store = world.etcd(step.host)
    why = "no answer"

    def done() -> bool:
        nonlocal why
        try:
            members = etcd_facts.members(store)
            if isinstance(step, AddMember):
                if any(its.address.rpartition(":")[0] == step.address for its in members):
                    return True
                store.add_member(etcd.peer_url(step.address))
            else:
                if all(its.id != step.id for its in members):
                    return True
                store.remove_member(step.id)
        except StoreError as e:
            why = e.message
            return False
        return True

    try:
        wait_until(done, what="", seconds=SECONDS, clock=world.clock, longest=0.5)
    except DeadlineExceeded as e:
        e.host, e.message = step.host, f"after {SECONDS:g} s: {why}"
        e.hint = "`fab store-status` shows which servers are alive: all have to be, but one that is taken out"
        raise
