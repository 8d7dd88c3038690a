"""A store that lost its data under users' containers: nothing is built beside them; it is filled again."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from tests.lab.bed import CURL, GREEN, load

pytestmark = pytest.mark.lab

HOSTS = ("host1", "host2", "host3")
UNASKED = (
    "overweave: This is written to the store. Nobody is there to ask.\n  -> add --yes to go on without asking"
)
NOTHING = "nothing to do: the store has records of all overlays that containers are on\n"


@pytest.fixture(scope="module")
def apps(bed):
    """An app on each host, one with an alias and one with an address of its own, and one on a second network.
    ``app-host2`` pings ``app-host1`` all the time."""
    bed.make_deployed()
    try:
        options = {
            "host1": "--network-alias www",
            "host2": "--ip 10.211.50.2 -p 8080:80",
            "host3": "-h three",
        }
        on_all(lambda name: run(bed, name, f"app-{name}", options[name]))
        bed.do("host1", "docker network create -d overlay --subnet 10.212.0.0/24 second")
        run(bed, "host1", "app-second", network="second")
        address = at(bed, "host1", "app-host1")["IPAddress"]
        bed.do("host2", f"docker exec -d app-host2 sh -c 'ping -i 0.2 {address} > /pings'")
        yield bed
    finally:
        on_all(lambda name: bed.do(name, REMOVE))
        bed.do("host1", "docker network rm second third || true")


REMOVE = "docker ps -aq --filter name=^app- --filter name=^new- | xargs -r docker rm -f"


def on_all(work):
    with ThreadPoolExecutor(len(HOSTS)) as pool:
        return dict(zip(HOSTS, pool.map(work, HOSTS), strict=True))


def run(bed, host, name, options="", network="overweave"):
    image = bed.wanted()["images"]["probe"]
    bed.do(host, f"docker run -d --name {name} --network {network} {options} {image} sleep 9999")


def at(bed, host, name, network="overweave"):
    with closing(bed.at(host)) as engine:
        return engine.inspect_container(name)["NetworkSettings"]["Networks"][network]


def alive(bed):
    """Of each host: its engine's process, and since when its containers run, without the store's."""
    since = (
        "docker ps -q | xargs docker inspect -f '{{.Name}} {{.State.StartedAt}}' | grep -v ^/consul | sort"
    )
    return on_all(lambda name: bed.do(name, f"systemctl show -p MainPID --value docker.service; {since}"))


def overlays(bed):
    """Ids of the global networks by name, as all hosts list them."""
    ls = "docker network ls --no-trunc --filter driver=overlay --format '{{.Name}} {{.ID}}'"
    listed = {*on_all(lambda name: bed.do(name, ls)).values()}
    assert len(listed) == 1, listed
    return dict(line.split() for line in listed.pop().splitlines())


def reaches(bed, host, source, *names):
    """By name. A first packet may be lost: the engine learns by it where the other is."""
    one = 'ping -c 1 -W 2 "$name" || ping -c 2 -W 2 "$name" || exit'
    bed.do(host, f"docker exec {source} sh -c 'for name in {' '.join(names)}; do {one}; done'")


def pings_lost(bed):
    """Of those that went out so far."""
    seen = [
        int(line.split("seq=")[1].split()[0])
        for line in bed.do("host2", "docker exec app-host2 cat /pings").splitlines()
        if "seq=" in line
    ]
    assert len(seen) > 20
    return sorted({*range(seen[-1] + 1)} - {*seen})


def vni(bed, network):
    key = f"docker/network/v1.0/overlay/network/{network}/"
    record = bed.do("host1", f"{CURL} 'http://127.0.0.1:8500/v1/kv/{key}?raw'")
    return json.loads(record)["subnets"][0]["Vni"]


def test_a_store_that_is_gone_is_rebuilt_under_containers_that_notice_nothing(apps):
    before, ids = alive(apps), overlays(apps)
    vnis = {name: vni(apps, ids[name]) for name in ("overweave", "second")}
    used = {at(apps, name, f"app-{name}")["IPAddress"] for name in HOSTS}
    apps.do("host1", "docker rm -f consul && docker volume rm overweave-consul")

    unbuilt = apps.deploy()
    both = "`fab store-restore FILE` puts a backup back, or `fab store-rebuild` writes what the hosts know"
    why = "a network made anew would have another id, and these containers stay on the old one"
    seen = {
        "overweave": "app-host1 on host1, app-host2 on host2, app-host3 on host3",
        "second": "app-second on host1",
    }
    told = [
        f"the store has lost its data: it has no record of network {name} (id {ids[name][:12]}, VNI "
        f"{vnis[name]}), which {seen[name]} {'use' if ',' in seen[name] else 'uses'}: {why}\n  -> {both}"
        for name in sorted(seen, key=ids.__getitem__)
    ]
    assert unbuilt.status == 4, unbuilt
    assert sorted(
        unbuilt.said.removeprefix("overweave: ").replace("\nthe store", "\0the store").split("\0")
    ) == (sorted(told))

    shown = apps.fab("store-rebuild", "--dry-run").ok()
    assert f"write network overweave (id {ids['overweave'][:12]}, 10.211.0.0/16 with VNI " in shown.out
    assert "engines that restart: none\n" in shown.out
    asked = apps.fab("store-rebuild")
    assert (asked.status, asked.said) == (2, UNASKED)
    assert apps.do("host1", "docker ps -aq --filter name=^consul$") == ""

    report = apps.folder / "rebuilt.json"
    assert GREEN in apps.fab("store-rebuild", "--yes").ok().out
    again = apps.fab("store-rebuild", "--json", str(report)).ok()
    assert again.out == NOTHING
    assert load(report)["changed"] is False
    assert alive(apps) == before
    assert overlays(apps) == ids
    assert {name: vni(apps, ids[name]) for name in vnis} == vnis

    names = [f"app-{name}" for name in HOSTS]
    on_all(lambda name: run(apps, name, f"new-{name}"))
    used |= {at(apps, name, f"new-{name}")["IPAddress"] for name in HOSTS}
    assert len(used) == 6
    on_all(lambda name: reaches(apps, name, f"new-{name}", *names, "www", "three"))
    reaches(apps, "host1", "app-host1", "new-host3")
    apps.do("host1", "docker network create -d overlay --subnet 10.213.0.0/24 third")
    run(apps, "host2", "new-third", network="third")
    assert vni(apps, overlays(apps)["third"]) not in vnis.values()
    assert pings_lost(apps) == []

    apps.do("host1", "docker stop -t 1 app-host1 && docker start app-host1 && docker rm -f new-host1")
    reaches(apps, "host3", "new-host3", "app-host1")
    assert apps.fab("doctor").ok().out.startswith("healthy: ")
    # The last one to leave: what that does to engines is another story (see `anchor`).
    apps.do("host1", "docker rm -f app-second && docker network rm second")
    assert "second" not in overlays(apps)


def test_a_store_that_is_older_than_what_runs_gets_what_it_lacks(apps):
    store = "http://127.0.0.1:8500/v1/snapshot"
    apps.do("host1", f"{CURL} {store} -o /tmp/older")
    apps.do("host3", "docker restart -t 1 app-host3")
    run(apps, "host2", "new-late")
    before, ids = alive(apps), overlays(apps)
    apps.do("host1", f"{CURL} -X PUT --data-binary @/tmp/older {store} && rm /tmp/older")

    unbuilt = apps.deploy()
    network = f"overweave (id {ids['overweave'][:12]}, VNI {vni(apps, ids['overweave'])})"
    assert (unbuilt.status, unbuilt.said) == (
        4,
        "overweave: the store is older than what runs: it has no endpoint of new-late on host2, app-host3 on "
        f"host3 on network {network}: other hosts don't know their names, and their addresses may be given "
        "away (moby#18841)\n  -> `fab store-rebuild` writes what the hosts know; or, if you have a newer one"
        ", `fab store-restore FILE` puts a backup back",
    )

    rebuilt = apps.fab("store-rebuild", "--yes").ok()
    assert "; remove the records that app-host3 had before\n" in rebuilt.out
    assert GREEN in rebuilt.out
    assert alive(apps) == before
    reaches(apps, "host1", "app-host1", "new-late", "app-host3")
