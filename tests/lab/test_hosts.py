"""Hosts are added, replaced and removed, dead or alive, and the others' engines and containers go on."""

from __future__ import annotations

import pytest
from tests.lab.bed import NOTHING_TO_DO, SLOT, bed_of, differences, fresh, load

from overweave.lab import Lab, faults
from overweave.lab.locking import locked
from overweave.lab.waiting import wait_for

pytestmark = pytest.mark.lab

NAMES = ("host1", "host2", "host3", "host4")
FIRST = NAMES[:3]
NET = f"10.98.{120 + SLOT}"
ROWS = """\
for space in $(ls /var/run/docker/netns | grep -E '^[0-9]+-'); do
  nsenter --net=/var/run/docker/netns/$space bridge fdb show
done | grep -c ' dst %s ' || true
"""


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """An overlay on three hosts that carry a server each, with a user's container, and a fourth host."""
    lab = fresh(f"h{SLOT}", hosts=len(NAMES), subnet=f"{NET}.0/24")
    with bed_of(lab, tmp_path_factory.mktemp("hosts")) as made:
        # The engine shows its bridge in another way when it did not make that itself.
        made.do("host1", "systemctl restart docker")
        made.pristine = made.state()
        made.deploy("-H", ",".join(FIRST)).ok()
        for name in FIRST:
            start(made, name)
        yield made


def start(bed, name):
    """A user's container that is gone at once when it is stopped."""
    image = bed.wanted()["images"]["probe"]
    bed.do(
        name,
        f"docker run -d --name app-{name} --restart always --stop-signal KILL --network overweave {image} "
        "sleep 9999",
    )


def told(bed, *words):
    file = bed.folder / "told.json"
    file.unlink(missing_ok=True)
    ran = bed.fab(*words, "--json", str(file))
    return ran, load(file) if file.exists() else {}


def unknown(bed, gone, *names):
    """Nobody of these hosts knows an address any more, and nothing is left to be done."""
    these = ("-H", ",".join(names))
    assert {name: bed.do(name, ROWS % gone).strip() for name in names} == dict.fromkeys(names, "0")
    ran, state = told(bed, "store-status", *these)
    assert gone not in {engine["node"].partition(":")[0] for engine in state["engines"]}, ran
    # A new server votes when Consul has watched it for 10 s.
    assert [server["name"] for server in state["servers"]] == list(names), ran
    assert bed.fab("doctor", *these).ok().out.startswith("healthy: ")
    assert bed.deploy(*these).out == NOTHING_TO_DO


def test_a_host_is_added_and_no_other_engine_restarts(begun):
    before = begun.living(*FIRST)
    nobody = begun.fab("add-host", "host9", "--yes")
    assert (nobody.status, nobody.said) == (
        2,
        "overweave: add-host host9: the inventory has no host host9\n"
        "  -> write it under `hosts:` of the inventory first, or name all hosts with -H",
    )
    ran = begun.fab("runbook.add-host", "host4", "--yes")
    assert ran.status == 0, ran
    proofs = [f"{number} of {number} directed pairs green" for number in (6, 12)]
    assert [proof in ran.out for proof in proofs] == [True, True]
    assert "\nadded: host4\n" in ran.out
    assert "\nhealthy: " in ran.out
    did = [line.split(maxsplit=3)[2:] for line in ran.err.splitlines() if len(line.split(maxsplit=3)) == 4]
    assert {what.strip() for host, what in did if host in FIRST} == {"change overweave-boot.service"}
    assert begun.living(*FIRST) == before
    assert begun.deploy().out == NOTHING_TO_DO
    again, result = told(begun, "add-host", "host4")
    assert again.out == "nothing to do: host4 carries all of it, and is proven\n"
    assert (result["kind"], result["hosts"], result["changed"]) == ("host-added", ["host4"], False)


def test_a_host_that_is_off_is_replaced_by_a_new_machine(begun):
    nobody = begun.fab("replace-host", "host9", "--yes")
    assert (nobody.status, nobody.said) == (
        2,
        "overweave: replace-host host9: the inventory has no host host9\n"
        "  -> the new machine takes the old one's name: give it its address there",
    )
    start(begun, "host4")
    before = begun.living(*FIRST)
    lab = begun.lab
    with locked(lab.spec.lock, keep=True):
        lab.host("host4").erase()
    Lab.up(lab.name)
    ran = begun.fab("runbook.replace-dead-host", "host4", "--yes")
    assert ran.status == 0, ran
    assert "6 of 6 directed pairs green" in ran.out
    assert "take the agent host4 out of the store" in ran.err
    assert "12 of 12 directed pairs green" in ran.out
    assert "\nhealthy: " in ran.out
    assert begun.living(*FIRST) == before
    # Its name and its address are free again.
    start(begun, "host4")
    begun.do("host1", "docker exec app-host1 ping -q -c 1 -W 3 app-host4")


def test_a_host_that_answers_is_not_dead_and_a_server_does_not_leave(begun):
    dead = begun.fab("remove-host", "host4", "--dead", "--yes")
    assert (dead.status, dead.said) == (
        4,
        "overweave: host4: it is not gone: it answers by ssh\n"
        "  -> `fab remove-host host4` takes it out in order",
    )
    server = begun.fab("remove-host", "host1", "--yes")
    assert (server.status, server.said) == (
        4,
        "overweave: host1: it carries one of 3 servers of the store: 2 would be left\n"
        "  -> `fab store-remove-server host1` or `fab store-replace-server host1` makes it an agent first",
    )


def test_a_dead_server_is_removed_without_it_and_another_host_takes_its_place(begun):
    rest = NAMES[1:]
    before = begun.living(*rest)
    host = begun.lab.host("host1")
    faults.power_off(host)
    unasked = begun.fab("remove-host", "host1", "--dead")
    assert unasked.status == 2
    assert unasked.said == (
        "overweave: This is only right if the machine that was host1 does not come back. "
        "Nobody is there to ask.\n  -> add --yes to go on without asking"
    )
    ran, result = told(begun, "remove-host", "host1", "--dead", "--yes")
    assert ran.status == 0, ran
    assert ran.out.endswith(f"; remove line 3 of {begun.inventory}, which names it\n")
    assert (result["address"], result["proof"]["green"]) == (f"{NET}.11", True)
    assert begun.living(*rest) == before
    unknown(begun, f"{NET}.11", *rest)


@pytest.fixture
def removed(begun):
    """host1 is off, and host4 there in its place; `scripts/test --long` runs none of the tests that do so."""
    if begun.lab.host("host1").running:
        begun.fab("add-host", "host4", "--yes").ok()
        start(begun, "host4")
        faults.power_off(begun.lab.host("host1"))
        begun.fab("remove-host", "host1", "--dead", "--yes").ok()
    return begun


@pytest.mark.long
def test_a_host_that_comes_back_is_told_of_and_leaves_as_it_was(removed):
    begun = removed
    rest = NAMES[1:]
    before = begun.living(*rest)
    faults.power_on(begun.lab.host("host1"))
    these = ("-H", ",".join(rest))

    def warned():
        said = begun.fab("doctor", *these).out
        return f"an engine at {NET}.11 is registered in the store and not in the inventory" in said

    wait_for(warned, 40, "a warning")
    refused = begun.fab("remove-host", "host1", "--yes")
    assert (refused.status, refused.said) == (
        4,
        "overweave: host1: containers are on the overlay here: app-host1 (overweave)\n"
        "  -> move or remove them, or add --disconnect to take them off it: they run on without it",
    )
    ran, result = told(begun, "remove-host", "host1", "--disconnect", "--yes")
    assert ran.status == 0, ran
    assert (result["kind"], result["proof"]["green"]) == ("host-removed", True)
    assert begun.living(*rest) == before
    assert "Up " in begun.do("host1", "docker ps --filter name=app-host1")
    begun.do("host1", "docker rm -f app-host1; docker rmi $(docker images -q)")
    assert differences({"host1": begun.pristine["host1"]}, {"host1": begun.state()["host1"]}) == []
    unknown(begun, f"{NET}.11", *rest)
    again = begun.fab("remove-host", "host1").ok()
    assert again.out.startswith("nothing to do: nobody knows host1; remove line 3 of ")
