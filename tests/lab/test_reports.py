"""Reports of real hosts: all of one proof tell the same, a file that can't be written is told of at once, and
networks are listed as engines and kernels have them."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

import pytest
from jsonschema import Draft202012Validator
from prometheus_client.parser import text_string_to_metric_families
from tests.lab.bed import CHECKOUT, GREEN, NET, NOTHING_TO_DO, load

pytestmark = pytest.mark.lab


def test_every_report_of_a_proof_tells_of_every_pair(deployed):
    files = {kind: deployed.folder / f"proof.{kind}" for kind in ("json", "junit", "prometheus", "html")}
    options = [word for kind, path in files.items() for word in (f"--{kind}", str(path))]
    assert GREEN in deployed.fab("validate-overlay", *options).ok().out

    told = load(files["json"])
    Draft202012Validator(load(CHECKOUT / "docs/reference/proof.schema.json")).validate(told)
    assert {(p["from"], p["to"], p["green"]) for p in told["pairs"]} == {
        (a, b, True) for a in told["hosts"] for b in told["hosts"] if a != b
    }
    suites = ElementTree.fromstring(files["junit"].read_text())
    passed = {
        (suite.get("name"), case.get("name"))
        for suite in suites
        for case in suite.iter("testcase")
        if len(case) == 0
    }
    assert passed >= {
        (f"overlay {check}", f"{p['from']} -> {p['to']}")
        for p in told["pairs"]
        for check in p["checks"]
        if check in told["checks"]
    }
    metrics = {m.name: m.samples for m in text_string_to_metric_families(files["prometheus"].read_text())}
    assert [s.value for s in metrics["overweave_proof_green"]] == [1]
    assert [s.value for s in metrics["overweave_pair_green"]] == [1] * 6
    page = files["html"].read_text()
    drawn = json.loads(page.partition('id="data">')[2].partition("</script>")[0])
    assert (drawn["green"], drawn["hosts"], len(drawn["pairs"])) == (True, told["hosts"], 6)

    again = deployed.deploy("--html", str(files["html"])).ok()
    assert again.out == NOTHING_TO_DO
    assert f"so --html {files['html']} was not written: validate-overlay does\n" in again.err
    assert files["html"].read_text() == page


@pytest.mark.parametrize("task", ["validate-overlay", "deploy-overlay"])
def test_a_file_that_can_not_be_written_is_told_of_before_any_host_is_asked(bed, task):
    ran = bed.fab(task, "--html", "/nowhere/proof.html")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == (
        "overweave: --html /nowhere/proof.html: No such file or directory\n"
        "  -> name a file that can be written\n"
    )


# An engine that was killed leaves such when its store is away; the tool would rightly tell of them.
OF_NOBODY = """\
used=$(docker ps -q | xargs -r docker inspect -f '{{.NetworkSettings.SandboxKey}}')
for file in /var/run/docker/netns/????????????; do
  case ${file##*/} in *[-_]*) continue ;; esac
  case $used in *"$file"*) ;; *) umount -l "$file" 2> /dev/null || :; rm -f "$file" ;; esac
done
"""
START = """\
docker network create --internal shop > /dev/null
docker run -d --name web --network overweave $1 sleep 100000
docker run -d --name sidecar --network container:web $1 sleep 100000
docker run -d --name bare --network host $1 sleep 100000
docker run -d --name db --network shop $1 sleep 100000
docker create --name rests --network shop $1
"""
END = "docker rm -f web sidecar bare db rests; docker network rm shop"


@pytest.fixture
def shop(deployed):
    """On host1, a container of each kind: on the overlay and in its sandbox, in the host's, on a bridge."""
    image = deployed.wanted()["images"]["probe"]
    for host in deployed.hosts:
        deployed.do(host.name, OF_NOBODY)
    deployed.do("host1", START.replace("$1", image))
    deployed.undo.append(lambda: deployed.do("host1", END))
    return deployed


def test_networks_are_listed_as_engines_and_kernels_have_them(shop):
    before = shop.state()
    file = shop.folder / "networks.json"
    tree = shop.fab("networks", "--tree", "--json", str(file)).ok().out
    assert shop.state() == before
    told = load(file)
    Draft202012Validator(load(CHECKOUT / "docs/reference/networks.schema.json")).validate(told)
    assert (told["complete"], told["wrong"], told["notes"]) == (True, [], [])

    engines = {
        name: {
            n["Name"]: n for n in json.loads(shop.do(name, "docker network inspect $(docker network ls -q)"))
        }
        for name in told["hosts"]
    }
    for row in told["networks"]:
        assert set(row["hosts"]) == {name for name, its in engines.items() if row["name"] in its}
        for name, its in row["hosts"].items():
            raw = engines[name][row["name"]]
            here = [key for key in raw["Containers"] if not key.startswith("ep-")]
            assert (its["id"], its["endpoints"]) == (raw["Id"], len(here))
            assert (row["driver"], row["scope"]) == (raw["Driver"], raw["Scope"])
            assert its["subnets"] == [config["Subnet"] for config in raw["IPAM"]["Config"]]
    flags = {row["name"]: row["flags"] for row in told["networks"]}
    assert flags == {name: ["internal"] if name == "shop" else [] for name in engines["host1"]}

    table = [line.split("  ") for line in shop.fab("networks").ok().out.splitlines()]
    cells = {row[0]: [cell.strip() for cell in row if cell] for row in table}
    subnet = engines["host1"]["shop"]["IPAM"]["Config"][0]["Subnet"]
    vni = shop.vni()
    assert f"network overweave  overlay, global, 10.211.0.0/16, VNI {vni}\n" in tree
    assert cells["overweave"] == (
        ["overweave", "overlay", "global", "10.211.0.0/16", str(vni), "-", "2 on host1, 1 on host[2-3]"]
    )
    assert cells["shop"] == ["shop", "bridge", "local", subnet, "-", "internal", "1 on host1"]

    host1 = told["trees"][0]
    networks = {network["name"]: network for network in host1["networks"]}
    sandboxes = {sandbox["key"]: sandbox for sandbox in host1["sandboxes"]}
    where = {
        "overweave": f"--net=/var/run/docker/netns/{networks['overweave']['namespace']}",
        "shop": "-t 1 -n",
    }
    for name, network in (("web", "overweave"), ("db", "shop")):
        (its,) = (e for e in networks[network]["endpoints"] if e["name"] == name)
        inside, port = its["interface"], its["port"]
        pid = shop.do("host1", f"docker inspect -f '{{{{.State.Pid}}}}' {name}").strip()
        assert sandboxes[its["sandbox"]]["members"][0] == {"name": name, "pid": int(pid), "joined": False}
        assert sandboxes[its["sandbox"]]["name_servers"] == ["127.0.0.11"]
        link = shop.do("host1", f"nsenter -t {pid} -n ip -o address show {inside['name']}")
        assert (its["address"] in link, inside["addresses"]) == (True, [its["address"]])
        ends = shop.do("host1", f"nsenter -t {pid} -n ip -o link show {inside['name']}")
        ends += shop.do("host1", f"nsenter {where[network]} ip -o link show {port['name']}")
        assert f"{inside['index']}: {inside['name']}@if{port['index']}: " in ends
        assert f"{port['index']}: {port['name']}@if{inside['index']}: " in ends
        assert f" master {port['master']} " in ends
        assert (
            f"veth pair {inside['name']}@if{port['index']} <-> {port['name']}@if{inside['index']} in" in tree
        )
    (vxlan,) = networks["overweave"]["vxlans"]
    assert (vxlan["vni"], vxlan["port"], set(vxlan["peers"])) == (vni, 4789, {f"{NET}.12", f"{NET}.13"})
    assert f"to {NET}.12  (host2)  1 MAC" in tree
    assert re.search(
        r"sandbox \w+  web \(pid \d+\)  DNS 127\.0\.0\.11\n.*── shared by sidecar \(pid \d+\)\n", tree
    )
    assert re.search(r"sandbox default  the network of the host itself  bare \(pid \d+\), consul \(pid", tree)
    assert "── stopped rests  on it again when started\n" in tree
    assert len([e for e in networks["docker_gwbridge"]["endpoints"] if e["holder"] == "web"]) == 1

    # The last one plugged in, db's, since the loop ends with it.
    shop.do("host1", f"ip link set {port['name']} nomaster")
    ran = shop.fab("networks", "-H", "host1", "--network", "shop", "--tree").ok()
    seen = f"BROKEN: {port['name']}, the other end of eth0 of db, is in no bridge, not in {port['master']}\n"
    assert seen in ran.out
    assert ran.out.endswith("\n1 thing is not as it should be: `fab doctor` looks for the cause\n")
    nothing = shop.fab("networks", "--network", "shops")
    assert (nothing.status, nothing.said) == (
        2,
        "overweave: there is no network 'shops'\n  -> did you mean shop?",
    )
