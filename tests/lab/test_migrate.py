"""A fleet goes from its store to a swarm in place, with users' containers on it: what that costs them."""

from __future__ import annotations

import json
import signal
import time

import pytest
from tests.lab.bed import GREEN, differences
from tests.lab.counter import counting

pytestmark = pytest.mark.lab
UNDER_WAY = (
    "overweave: a move to a swarm is under way: host1, host2, host3\n"
    "  -> `fab migrate --to swarm` goes on with it, `--finish` ends it, `--to consul` leads back"
)
SHOP = "--subnet 10.77.0.0/24 --gateway 10.77.0.254 --label team=a --internal"
USERS = {
    # Its address is the next one that the swarm would give out.
    "host1": "--name web --network shop --ip 10.77.0.4 --network-alias db",
    "host2": "--name front --restart always --network shop",
    "host3": "--name batch --restart unless-stopped --network shop --network-alias jobs",
}


def move(bed, to):
    return bed.fab("migrate", "--to", to, "--yes")


def wiring(bed):
    """Of each container: its id, aliases, and the address where that is its own."""
    found = {}
    for host, words in USERS.items():
        name = words.split()[1]
        its = json.loads(bed.do(host, f"docker inspect {name}"))[0]
        seat = its["NetworkSettings"]["Networks"]["shop"]
        aliases = sorted(a for a in seat["Aliases"] if not its["Id"].startswith(a))
        found[name] = (its["Id"], its["State"]["Running"], aliases)
    return found


def test_a_fleet_in_use_moves_to_a_swarm_broken_off_back_and_forth_again(deployed):
    bed = deployed
    bed.do("host1", f"docker network create -d overlay {SHOP} shop")
    bed.undo.append(lambda: bed.do("host1", "docker network rm shop 2> /dev/null || :"))
    for host, words in USERS.items():
        name = words.split()[1]
        sleep = "sh -c 'trap exit TERM; while :; do sleep 1; done'"
        bed.do(host, f"docker run -d {words} busybox:1.30.1 {sleep}")
        bed.undo.append(lambda host=host, name=name: bed.do(host, f"docker rm -f {name}"))
    before = wiring(bed)
    with counting(bed, "host1", ["host2"]) as counter:
        begun = time.time()
        bed.broken_off("restart the engine", signal.SIGKILL, "migrate", "--to", "swarm", "--yes")
        assert bed.fab("destroy-overlay", "--yes", "--wait-lock", "30").said == UNDER_WAY
        back = move(bed, "consul").ok()
        assert GREEN in back.out
        counter.wait()
        told = counter.figures(begun)
        print(f"broken off and back: longest gap {told.longest:.1f} s, lost {told.lost}")
        assert (told.lost, wiring(bed)) == (0, before)

        begun = time.time()
        forth = move(bed, "swarm").ok()
        assert GREEN in forth.out
        counter.wait()
        told = counter.figures(begun)
        print(f"to the swarm: longest gap {told.longest:.1f} s, lost {told.lost}")
        assert (told.lost, wiring(bed)) == (0, before)
        assert bed.fab("deploy-overlay", "--yes").said == UNDER_WAY
        assert "nothing to do" in move(bed, "swarm").ok().out

        # What is moved already stays as it is: only the store is left to go.
        ended = bed.fab("runbook.leave-cluster-store", "--yes").ok()
        assert GREEN in ended.out
        assert "nothing to do" in bed.fab("migrate", "--finish", "--yes").ok().out
        counter.wait()
        assert counter.figures(begun).lost == 0
    (network,) = json.loads(bed.do("host2", "docker network inspect shop"))
    assert (network["Scope"], network["Internal"], network["Labels"]) == ("swarm", True, {"team": "a"})
    address = "docker inspect -f '{{.NetworkSettings.Networks.shop.IPAddress}}' web"
    assert bed.do("host1", address).strip() == "10.77.0.4"
    for name in ("db", "jobs", "web", "batch"):
        bed.do("host2", f"docker exec front ping -c 1 -w 5 {name}")
    assert bed.deploy().out.startswith("nothing to do")
    bed.mend()
    bed.fab("destroy-overlay", "--yes").ok()
    assert differences(bed.pristine, bed.state()) == []
