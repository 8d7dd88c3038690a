"""What a rebuild writes, what it leaves, and what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest
from tests.golden.test_plans import deployed
from tests.unit.facts.lost import NETWORK, SEGMENT, VTEPS, hosts, tree

from overweave.facts import address_mask, libnetwork
from overweave.facts import libnetwork_keys as keys
from overweave.facts.libnetwork_keys import Overlay
from overweave.facts.remembered import Remembered
from overweave.gossip.islands import View
from overweave.gossip.wire import Member
from overweave.rebuild.rebuild import rebuild

OTHER = "b" * 64
SHORT = NETWORK[:12]
BACKUP = "`fab store-restore FILE` puts a backup of the store back"
AGAIN = "then run the same command again"
REMOVE = f"`docker network rm {OTHER[:12]}` on one host if nothing is on it, {AGAIN}"


def site():
    made = deployed()
    for name, vtep in VTEPS.items():
        made.boxes[name].address = vtep
        made.boxes[name].interfaces = {"eth0": [1500, f"{vtep}/24"]}
        made.boxes[name].arguments = [
            a if "advertise" not in a else f"--cluster-advertise={vtep}:2376"
            for a in made.boxes[name].arguments
        ]
    return made


SITE = site()


def planned(known=None, there=None, facts=None):
    return rebuild(SITE.fleet, facts or SITE.facts(), known or hosts(), {} if there is None else there)


def refused(*args, **kwargs):
    plan, why = planned(*args, **kwargs)
    assert not plan
    return [str(e) for e in why]


def carried_out(plan, there):
    """The keys after a plan, each write as the store would take it."""
    there = dict(there)
    for step in plan.steps:
        assert step.host == "host1"
        for write in step.writes:
            assert there.get(write.key) == write.old
            assert write.new != write.old
            if write.new is None:
                del there[write.key]
            else:
                there[write.key] = write.new
    return there


def lost(*parts):
    """The captured keys without those that have one of the parts."""
    return {key: value for key, value in tree().items() if not any(part in key for part in parts)}


def test_an_empty_store_gets_everything_in_an_order_that_shows_nothing_half_made():
    plan, why = planned()
    assert why == []
    assert [stage.title for stage in plan.stages] == ["what is given out", "networks"]
    assert [str(step) for step in plan.steps] == [
        "note in the store that VNI 256 can't be given out",
        "note in the store that subnet 10.211.0.0/16 can't be given out",
        "note in the store that 10.211.0.1, 10.211.0.2, 10.211.0.3 and 5 more of 10.211.0.0/16 can't be "
        "given out",
        f"write network overweave (id {SHORT}, 10.211.0.0/16 with VNI 256) and 7 endpoints: web on host1 "
        "(10.211.5.5), overweave-anchor-overweave-host1 on host1 (10.211.0.4), db on host2 (10.211.0.5) "
        "and 4 more",
    ]
    *_, count, network = plan.steps[-1].writes
    assert (count.key, network.key) == (keys.count_key(NETWORK), keys.network_key(NETWORK))
    assert plan.steps[-1].writes[0].key == keys.overlay_key(NETWORK)
    records = libnetwork.parse(carried_out(plan, {}))
    assert {*records.endpoints} == {*libnetwork.parse(tree()).endpoints}
    assert records.networks == libnetwork.parse(tree()).networks
    assert records.unreadable == ()


def test_a_second_time_and_a_whole_store_there_is_nothing_to_do():
    assert planned(there=tree()) == planned(there=carried_out(planned()[0], {}))
    assert planned(there=tree())[0].stages == ()
    assert planned(known={"host1": Remembered()})[0].stages == ()


def test_a_run_that_was_broken_off_anywhere_is_finished():
    writes = [write for step in planned()[0].steps for write in step.writes]
    whole = carried_out(planned()[0], {})
    for cut in range(len(writes)):
        there = {write.key: write.new for write in writes[:cut]}
        plan, why = planned(there=there)
        assert why == []
        assert carried_out(plan, there) == whole


def test_an_older_store_gets_what_it_lacks_and_keeps_the_rest():
    web = next(its for its in hosts()["host1"].joined if its.container == "web")
    there = lost(web.endpoint) | {
        keys.endpoint_key(NETWORK, "9" * 64): keys.endpoint(
            replace(web, endpoint="9" * 64, address="10.211.5.6"), SEGMENT.subnet, VTEPS["host1"]
        ),
        keys.endpoint_key(NETWORK, "8" * 64): keys.endpoint(
            replace(web, endpoint="8" * 64, container="gone"), SEGMENT.subnet, VTEPS["host1"]
        ),
        keys.endpoint_key(NETWORK, "7" * 64): keys.endpoint(
            replace(web, endpoint="7" * 64), SEGMENT.subnet, "10.96.2.99"
        ),
        keys.mask_key(SEGMENT.subnet): keys.mask(None, SEGMENT.subnet, ["10.211.0.1", "10.211.9.9"]),
    }
    plan, why = planned(there=there)
    assert why == []
    assert [str(step) for step in plan.steps][1:] == [
        "write 1 endpoint of network overweave: web on host1 (10.211.5.5); remove the records that web had "
        "before"
    ]
    after = carried_out(plan, there)
    assert keys.endpoint_key(NETWORK, "9" * 64) not in after
    assert {keys.endpoint_key(NETWORK, digit * 64) for digit in "78"} <= after.keys()
    assert json.loads(after[keys.count_key(NETWORK)]) == {"Count": 9}
    mask = address_mask.parse(after[keys.mask_key(SEGMENT.subnet)])
    assert mask.taken(9 * 256 + 9)
    assert mask.taken(5 * 256 + 5)


def test_a_record_of_the_time_before_its_first_container_gets_its_vni():
    record = json.loads(tree()[keys.overlay_key(NETWORK)])
    record["subnets"][0]["Vni"] = 0
    there = tree() | {keys.overlay_key(NETWORK): json.dumps(record).encode()}
    plan, why = planned(there=there)
    assert why == []
    assert [str(step) for step in plan.steps] == ["write the VNI and the count of network overweave"]
    assert json.loads(carried_out(plan, there)[keys.overlay_key(NETWORK)]) == json.loads(
        tree()[keys.overlay_key(NETWORK)]
    )


def test_a_network_is_internal_where_no_container_that_is_on_it_alone_has_a_way_out():
    def network(**changes):
        known = hosts()
        known = {
            h: replace(its, joined=tuple(replace(j, **changes) for j in its.joined))
            for h, its in known.items()
        }
        return json.loads(planned(known)[0].steps[-1].writes[-1].new)["internal"]

    assert [network(), network(outside=False), network(outside=False, networks=2)] == [False, True, False]


def second(**changes):
    """Another network in the store."""
    its = Overlay(
        OTHER, "other", (replace(SEGMENT, subnet=IPv4Network("10.9.0.0/24"), vni=300),), (), {}, False, ""
    )
    its = replace(its, **changes)
    return {keys.network_key(OTHER): keys.network(its), keys.overlay_key(OTHER): keys.overlay(its)}


def test_another_network_that_has_name_vni_or_subnet_by_now_is_not_overwritten():
    assert refused(there=second(name="overweave")) == [
        f"the store has another network overweave by now (id {OTHER[:12]}), and containers are on the one "
        f"with id {SHORT}\n  -> {REMOVE}"
    ]
    assert refused(there=second(segments=(replace(SEGMENT, subnet=IPv4Network("10.9.0.0/24")),))) == [
        "VNI 256 of network overweave is given to network other by now: the packets of both would mix\n"
        f"  -> {REMOVE}"
    ]
    pools = {keys.CONFIG: keys.pools(None, [IPv4Network("10.211.8.0/24"), IPv4Network("10.9.0.0/24")])}
    assert refused(there=second() | pools) == [
        "10.211.0.0/16 of network overweave overlaps with 10.211.8.0/24, which the store has given away\n"
        f"  -> `docker network inspect` shows which has it; remove it if nothing is on it, {AGAIN}"
    ]
    assert planned(there=second())[1] == []


def test_a_record_of_the_network_that_says_something_else_is_not_overwritten():
    record = json.loads(tree()[keys.overlay_key(NETWORK)])
    record["subnets"][0]["Vni"] = 257
    assert refused(there=tree() | {keys.overlay_key(NETWORK): json.dumps(record).encode()}) == [
        f"the store's record of network overweave (id {SHORT}) says VNI 257 for 10.211.0.0/16, and its "
        f"containers use VNI 256\n  -> {BACKUP}"
    ]
    record["subnets"][0] |= {"SubnetIP": "10.8.0.0/16", "Vni": 256}
    assert refused(there=tree() | {keys.overlay_key(NETWORK): json.dumps(record).encode()}) == [
        f"the store's record of network overweave (id {SHORT}) has no 10.211.0.0/16, which its containers "
        f"use\n  -> {BACKUP}"
    ]


def test_hosts_that_contradict_each_other_are_told():
    known = hosts()
    known["host2"] = replace(known["host2"], segments={NETWORK: (replace(SEGMENT, vni=300),)})
    assert refused(known) == [
        f"the hosts do not agree on 10.211.0.0/16 of network overweave (id {SHORT}): VNI 256 and gateway "
        "10.211.0.1 on host1, VNI 300 and 10.211.0.1 on host2\n"
        f"  -> restart the engine of the one that is wrong, {AGAIN}"
    ]


def test_an_address_outside_of_all_subnets_is_told():
    known = hosts()
    first, *rest = known["host1"].joined
    known["host1"] = replace(known["host1"], joined=(replace(first, address="10.7.0.1"), *rest))
    assert refused(known) == [
        f"host1: web has 10.7.0.1, which is in no subnet that network overweave (id {SHORT}) has on any "
        f"host\n  -> `docker network disconnect -f overweave web`, {AGAIN}"
    ]


def test_an_engine_that_announces_nothing_is_told():
    facts = SITE.facts()
    unit = facts.hosts["host2"].unit
    without = tuple(a for a in unit.arguments if "advertise" not in a)
    changed = replace(facts.hosts["host2"], unit=replace(unit, arguments=without))
    said = refused(facts=replace(facts, hosts={**facts.hosts, "host2": changed}, views={}))
    assert said[0] == (
        f"host2: its engine announces no address of this host, and db is on network overweave (id {SHORT})\n"
        "  -> see `--cluster-advertise` in `systemctl cat docker` and `ip address` there"
    )


def test_engines_that_were_not_asked_forbid_it():
    facts = SITE.facts()
    view = facts.views["host1"]
    more = (*view.members, Member("host9", IPv4Address("10.96.2.19"), 7946, 1, 0))
    said = refused(facts=replace(facts, views={"host1": View(view.address, more)}))
    assert said == [
        "engines that were not asked take part in the overlay: 10.96.2.19\n"
        "  -> name all of its hosts: addresses of their containers would be given to others"
    ]


@pytest.mark.parametrize("key", [keys.VNIS, keys.CONFIG, keys.mask_key(SEGMENT.subnet)])
def test_a_value_that_makes_no_sense_is_not_overwritten(key):
    (said,) = refused(there={key: b"no"})
    assert said == (
        f"what the store has makes no sense: {key}: Expecting value: line 1 column 1 (char 0)\n"
        f"  -> see who wrote it; where nobody needs it, delete that key, {AGAIN}"
    )
