"""A store that survives the loss of a host: made of one that does not, in use, and taken away again."""

from __future__ import annotations

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from tests.lab.bed import NOTHING_TO_DO, SLOT, bed_of, differences, fresh, load
from tests.lab.counter import counting
from tests.lab.store_drill import join
from tests.lab.wire import captured

from overweave import certificates
from overweave.credentials import ENVIRONMENT, OPERATOR
from overweave.lab import faults
from overweave.lab.waiting import wait_for
from overweave.stores.consul import SECRETS, TLS

pytestmark = pytest.mark.lab

NAMES = ("host1", "host2", "host3", "host4")
SERVERS = NAMES[:3]
NET = f"10.98.{170 + SLOT}"
GAP_SECONDS = 5
"""Between two increments of a counter, on a busy machine."""


@pytest.fixture(scope="module")
def four(tmp_path_factory):
    """Four clean hosts, of which three will carry a server."""
    lab = fresh(f"s{SLOT}", hosts=len(NAMES), subnet=f"{NET}.0/24")
    with bed_of(lab, tmp_path_factory.mktemp("four")) as made:
        made.make_clean()
        yield made


@pytest.fixture(scope="module")
def grown(four):
    """An overlay whose store had one server, with users' containers on it, and has three now."""
    # A new server is let vote after 2 s, and not after 10.
    four.write_inventory(servers=1, options={"autopilot": {"server_stabilization_time": "2s"}})
    four.deploy().ok()
    for name in NAMES:
        start(four, name)
    four.network = network(four)
    four.write_inventory(servers=3)
    four.grew = four.deploy()
    return four


def start(bed, name):
    image = bed.wanted()["images"]["probe"]
    run = f"docker run -d --name app-{name} --restart always --network overweave {image} sleep 9999"
    bed.do(name, run)


def network(bed):
    return bed.do("host1", "docker network inspect -f '{{.Id}}' overweave")


def members(bed):
    """What each host's agent says of itself: (its name, whether it is a server)."""
    found = []
    token = bed.do("host1", f"cat {OPERATOR}").strip()
    for name in NAMES:
        told = f"curl -sf -H 'X-Consul-Token: {token}'"
        its = json.loads(bed.do(name, f"{told} http://127.0.0.1:8500/v1/agent/self"))
        found.append((its["Member"]["Name"], its["Config"]["Server"]))
    return found


def leader(bed, at):
    address = json.loads(bed.do(at, "curl -sf http://127.0.0.1:8500/v1/status/leader")).partition(":")[0]
    return next((host.name for host in bed.hosts if host.address == address), "")


def reaches(bed, source, target):
    with closing(bed.at(target)) as engine:
        its = engine.inspect_container(f"app-{target}")["NetworkSettings"]["Networks"]["overweave"]
    ping = f"docker exec app-{source} ping -q -c 1 -W 1 {its['IPAddress']}"
    return bed.lab.host(source).run(("sh", "-c", ping)).ok


def test_one_server_becomes_three_in_place(grown):
    grown.grew.ok()
    assert grown.grew.out.count("12 of 12 directed pairs green") == 1
    assert members(grown) == [(name, name in SERVERS) for name in NAMES]
    assert network(grown) == grown.network
    for name in NAMES:
        with closing(grown.at(name)) as engine:
            assert engine.inspect_container(f"app-{name}")["State"]["Running"]
            assert engine.info()["ClusterStore"] == "consul://127.0.0.1:8500"
    assert grown.deploy().ok().out == NOTHING_TO_DO


def test_http_is_for_the_host_itself_and_https_for_others_where_a_server_is(grown):
    for name in NAMES:
        bound = grown.do(name, "ss -Hltn 'sport = :8500 or sport = :8501' | awk '{ print $4 }'").split()
        own = [f"{grown.lab.host(name).address}:8501"] if name in SERVERS else []
        assert sorted(bound) == sorted(["127.0.0.1:8500", "127.0.0.1:8501", *own])


def test_the_wire_between_servers_and_agents_shows_no_token_and_nothing_of_the_store(grown):
    held = "".join(grown.do(name, f"cat {SECRETS} {ENVIRONMENT}") for name in NAMES)
    secrets = set(re.findall(r"[0-9a-f-]{36}", held))
    image = grown.wanted()["images"]["probe"]
    with captured(grown, NAMES) as wire:
        for name in NAMES:
            grown.do(name, f"docker run --rm --network overweave {image} true")
    assert len(wire.frames) > 10_000
    assert not [text for text in ("docker/network", "docker/nodes", "/v1/") if wire.has(text)]
    assert not [secret for secret in secrets if wire.has(secret)]


def test_certificates_are_changed_and_nothing_restarts(grown):
    """Engines use their own host's agent by HTTP, and agents read theirs anew."""
    started = "docker inspect -f '{{.State.StartedAt}}' consul; systemctl show -p MainPID docker"
    running = {name: grown.do(name, started) for name in NAMES}
    old = {name: certificates.parse(grown.do(name, f"cat {TLS}")) for name in NAMES}
    grown.fab("rotate-certificates").ok()
    for name in NAMES:
        new = certificates.parse(grown.do(name, f"cat {TLS}"))
        assert len(new.trusted) == 1
        assert new.trusted != old[name].trusted
        ask = f"echo | openssl s_client -connect 127.0.0.1:8501 -cert {TLS} -key {TLS} 2> /dev/null"
        told = grown.do(name, f"{ask} | openssl x509 -noout -fingerprint -sha256")
        assert told.partition("=")[2].replace(":", "").lower().startswith(new.fingerprint)
    assert {name: grown.do(name, started) for name in NAMES} == running
    assert grown.deploy().ok().out == NOTHING_TO_DO


def test_the_leader_is_killed_and_a_counter_loses_nothing(grown):
    def healthy():
        return grown.fab("store-status").status == 0

    assert healthy(), "the deployment has waited until all servers vote"
    lost = leader(grown, "host4")
    client = next(name for name in SERVERS if name != lost)
    with counting(grown, "host4", [client]) as counter:
        begun = time.time()
        # One that is killed through its engine stays down.
        grown.do(lost, "docker kill consul")
        try:
            joined = join(grown, ["host4"], time.monotonic())
        finally:
            grown.do(lost, "docker start consul")
        wait_for(healthy, 60, "the store to be whole again")
        counter.wait()
        kept, anew = counter.figures(begun, of="kept"), counter.figures(begun, of="anew")
    assert (kept.lost, kept.unanswered, kept.connections) == (0, 0, 0), kept
    assert (anew.lost, anew.unanswered) == (0, 0), anew
    assert max(kept.longest, anew.longest) < GAP_SECONDS, (kept, anew)
    assert kept.acknowledged > 10 * joined["host4"]


def test_the_host_of_the_leader_loses_power_and_containers_go_on_and_join(grown):
    lost = leader(grown, "host4")
    others = [name for name in NAMES if name != lost]
    pairs = [(a, b) for a in others for b in others if a != b]
    host = grown.lab.host(lost)
    grown.undo.append(lambda: faults.power_on(host))
    faults.power_off(host)
    run = ("docker", "run", "--rm", "--network", "overweave", grown.wanted()["images"]["probe"], "true")
    # While the others elect a leader, an engine says that there is no such network.
    wait_for(lambda: grown.lab.host(others[-1]).run(run, timeout=60).ok, 60, "a container that joins")
    assert [pair for pair in pairs if not reaches(grown, *pair)] == []
    assert leader(grown, "host4") not in ("", lost)
    grown.mend()

    def whole():
        grown.fab("status", "--json", str(grown.folder / "status.json"))
        hosts = load(grown.folder / "status.json")["hosts"]
        return len(hosts) == len(NAMES) and all(its["registered"] and its["sees"] == 3 for its in hosts)

    wait_for(whole, 60, "the fleet to be whole again")
    assert grown.fab("repair", "--yes").status == 0
    assert "12 of 12 directed pairs green" in grown.fab("validate-overlay").ok().out


def servers(bed):
    """Hosts whose server votes, and what every host's agent runs from."""
    ran = bed.fab("store-status", "--json", str(bed.folder / "store.json"))
    state = load(bed.folder / "store.json")
    assert ran.status == (0 if len(state["servers"]) % 2 else 1), ran
    assert all(its["voter"] and its["state"] == "alive" for its in state["servers"])
    images = bed.do("host1", "docker inspect -f '{{.Config.Image}}' consul").strip()
    return {its["name"] for its in state["servers"]}, images


def has_archive(bed, image, script):
    """An image that no host has, as an archive in the inventory; made of the store's by a script."""
    path = bed.folder / f"{image.replace(':', '-')}.tar"
    bed.do("host1", f"{script}; docker save -o /root/image.tar {image}; docker rmi {image}")
    path.write_bytes((bed.lab.host("host1").etc.parent / "root/image.tar").read_bytes())
    wanted = bed.wanted()
    wanted["images"]["archives"][image] = str(path)
    bed.write(bed.inventory.name, wanted)


def test_another_host_carries_a_server_and_its_old_host_an_agent(grown):
    before = grown.living(*NAMES)
    ran = grown.fab("store-replace-server", "host2", "--by", "host4", "--yes").ok()
    assert servers(grown) == ({"host1", "host3", "host4"}, "consul:1.8.7")
    assert "write into the inventory" not in ran.out
    assert members(grown) == [(name, name != "host2") for name in NAMES]
    assert "raft" not in grown.do("host2", "ls /var/lib/docker/volumes/overweave-consul/_data")
    assert grown.living(*NAMES) == before
    assert grown.deploy().ok().out == NOTHING_TO_DO


def test_a_version_too_far_is_refused_and_an_image_that_does_not_run_taken_back(grown):
    refused = grown.fab("store-upgrade", "--image", "busybox:1.30.1", "--yes")
    assert (refused.status, refused.said.splitlines()[:2]) == (
        4,
        [
            "overweave: from Consul 1.8.7 to 1.30.1 is too far for one upgrade",
            "  -> the last that may follow is 1.10: see Consul's upgrade instructions, and upgrade "
            "again from there",
        ],
    )
    broken = "#!/bin/sh\n[ $1 = version ] && exec /usr/bin/consul version\necho sorry, no agent\nexit 3\n"
    has_archive(
        grown,
        "consul:broken",
        f"printf %s '{broken}' > /root/consul; chmod 755 /root/consul; docker create --name it consul:1.8.7; "
        "docker cp /root/consul it:/usr/local/bin/consul; docker commit it consul:broken; docker rm -v it",
    )
    before = grown.living(*NAMES)
    failed = grown.fab("store-upgrade", "--image", "consul:broken", "--yes")
    assert failed.status == 5
    assert re.search(r": its agent does not stay up:\n    sorry, no agent\n", failed.said)
    assert "taken back: " in failed.said
    assert "the store as it was: `fab store-restore " in failed.said
    # The server that was taken back has just started.
    wait_for(lambda: grown.fab("store-status").status == 0, 30, "the store to be whole again")
    assert servers(grown) == ({"host1", "host3", "host4"}, "consul:1.8.7")
    assert [name for name in NAMES if "broken" in grown.do(name, "docker images; docker ps -a")] == []
    assert grown.living(*NAMES) == before


def test_an_upgrade_goes_from_server_to_server_and_engines_notice_nothing(grown):
    has_archive(grown, "consul:next", "docker tag consul:1.8.7 consul:next")
    before = grown.living(*NAMES)
    ran = grown.fab("runbook.upgrade-store", "--image", "consul:next", "--yes").ok()
    assert "12 of 12 directed pairs green" in ran.out
    assert "`image: consul:next` under `store:`" in ran.out
    order = [line.split()[2] for line in ran.err.splitlines() if "replace container consul" in line]
    assert sorted(order) == list(NAMES)
    assert order[-1] == "host2"
    assert servers(grown) == ({"host1", "host3", "host4"}, "consul:next")
    assert all("1.8.7" not in grown.do(name, "docker images") for name in NAMES)
    assert grown.living(*NAMES) == before
    grown.write_inventory(image="consul:next")
    assert grown.deploy().ok().out == NOTHING_TO_DO


def test_a_server_is_taken_away_but_not_the_last_ones(grown):
    ran = grown.fab("store-remove-server", "host3", "--yes").ok()
    assert ran.out.startswith("WARNING all hosts: 2 servers are to carry the store\n")
    assert ran.out.splitlines()[-1] == (
        "write into the inventory, or the next deployment differs: no `servers: 3` under `store:`"
    )
    assert servers(grown) == ({"host1", "host4"}, "consul:next")
    refused = grown.fab("store-remove-server", "host4", "--yes")
    assert (refused.status, refused.said) == (
        4,
        "overweave: 1 server would be left: a store with an agent on every host keeps two at least\n"
        "  -> name another host to carry one: `fab store-replace-server HOST --by OTHER`",
    )
    refused = grown.fab("store-recover-quorum", "--from", "host1", "--yes")
    assert refused.status == 4
    assert ": no quorum is lost\n" in refused.said


def test_a_quorum_that_is_lost_comes_back_from_the_server_that_is_left(grown):
    before = grown.living(*NAMES)
    grown.do("host4", "docker rm -f consul && docker volume rm overweave-consul")
    ran = grown.fab("runbook.recover-lost-quorum", "--from", "host1", "--yes")
    assert ran.status == 0, ran
    assert "12 of 12 directed pairs green" in ran.out
    assert servers(grown) == ({"host1", "host2", "host4"}, "consul:next")
    assert grown.living(*NAMES) == before
    assert network(grown) == grown.network
    assert grown.deploy().ok().out == NOTHING_TO_DO
    grown.do("host3", f"docker run --rm --network overweave {grown.wanted()['images']['probe']} true")


def test_a_part_of_the_fleet_is_not_taken_away(grown):
    refused = grown.fab("destroy-overlay", "--yes", "-H", "host1,host2,host3")
    assert refused.status == 4
    assert f"it is in an overlay whose store is at {NET}.14, which is none of the hosts given" in refused.said


def test_containers_become_services_one_after_the_other_and_engines_notice_nothing(grown):
    before = (grown.living(*NAMES), network(grown), members(grown))
    wanted = grown.wanted()
    store = {key: value for key, value in wanted["store"].items() if key != "image"}
    grown.write(grown.inventory.name, wanted | {"store": store | {"run_as": "service"}})
    ran = grown.deploy().ok()
    assert "12 of 12 directed pairs green" in ran.out
    moved = [line.split()[2] for line in ran.err.splitlines() if "copy its data to where a service" in line]
    assert sorted(moved) == list(NAMES)
    assert (grown.living(*NAMES), network(grown), members(grown)) == before
    assert grown.deploy().ok().out == NOTHING_TO_DO


def test_a_service_is_made_an_agent_again(grown):
    grown.fab("store-remove-server", "host2", "--yes").ok()
    assert members(grown) == [(name, name in ("host1", "host4")) for name in NAMES]
    assert "raft" not in grown.do("host2", "ls /var/lib/overweave/consul")
    grown.fab("store-add-server", "host3", "--yes").ok()
    assert members(grown) == [(name, name != "host2") for name in NAMES]
    assert grown.deploy().ok().out == NOTHING_TO_DO


def test_nothing_is_left_of_it(grown):
    with ThreadPoolExecutor(len(NAMES)) as pool:
        list(pool.map(lambda name: grown.do(name, f"docker rm -f app-{name}"), NAMES))
    grown.fab("destroy-overlay", "--yes").ok()
    assert differences(grown.pristine, grown.state()) == []
