"""Nobody gets into the store without a token, or into its gossip without the key; and nothing tells them."""

from __future__ import annotations

import json
import re

import pytest
from tests.lab.bed import NOTHING_TO_DO
from tests.lab.wire import captured

from overweave import certificates
from overweave.credentials import AUTHORITY, ENVIRONMENT, OPERATOR
from overweave.facts.boot import GOSSIP
from overweave.facts.unit import DROP_IN
from overweave.lab.waiting import wait_for
from overweave.model import SPEC_LABEL
from overweave.stores.consul import SECRETS, TLS

pytestmark = pytest.mark.lab

HOSTS = ("host1", "host2", "host3")
LISTED = "/v1/kv/docker/?keys"
KNOWN = f"{SECRETS} {ENVIRONMENT} {OPERATOR} {TLS} {AUTHORITY}"
OF_ENGINES = f"{ENVIRONMENT} {TLS}"
SEARCH = rf"""
umask 077
{{
  grep -hoE '[0-9a-f-]{{36}}|"[A-Za-z0-9+/]{{43}}="' {KNOWN}
  sed -n '/BEGIN PRIVATE KEY/{{n;p;n;p}}' {KNOWN}
}} | tr -d '"' | sort -u > /run/patterns
found() {{ ! grep -qaF -f /run/patterns || echo "$1"; }}
{{ cat /proc/[0-9]*/cmdline || true; }} 2> /dev/null | found "the commands of processes"
docker ps -aq | xargs -r docker inspect | found "docker inspect"
docker info | found "docker info"
docker logs consul 2>&1 | found "the logs of the store"
journalctl --no-pager -o verbose 2> /dev/null | found "the journal"
systemctl show docker overweave-boot | found "systemctl show"
places="/etc /var/lib/overweave /var/log /tmp /run/docker /run/systemd"
grep -rlaF -f /run/patterns $places 2> /dev/null || true
rm /run/patterns
"""


SHOWN = f"--cacert {TLS} --cert {TLS} --key {TLS}"


def http(bed, name, method, path, *, at="", data="", token="", shown=SHOWN):
    """Status of a call to the store's agent, made on a host: to its own by HTTP, else by HTTPS; "000" where
    there is no answer."""
    header = f'-H "X-Consul-Token: {token}"' if token else ""
    curl = f"curl -s -o /dev/null -w '%{{http_code}}' -X {method} {header} --data '{data}'"
    url = f"{shown} https://{at}:8501" if at else "http://127.0.0.1:8500"
    return bed.do(name, f"{curl} {url}'{path}' || true").strip()


@pytest.mark.parametrize("at", ["its own host", "another host"])
def test_without_a_token_nothing_is_read_written_or_registered(deployed, at):
    host, where = ("host1", "") if at == "its own host" else ("host2", deployed.lab.host("host1").address)
    before = deployed.do("host1", "docker network ls -q --no-trunc")
    network = f"/v1/kv/docker/network/v1.0/network/{'0' * 64}/"
    # What may not be read is said not to be there.
    assert http(deployed, host, "GET", "/v1/kv/docker/?recurse", at=where) == "404"
    service = json.dumps({"Node": "x", "Address": "10.0.0.9", "Service": {"Service": "x"}})
    for method, path, data in (
        ("PUT", network, "{}"),
        ("DELETE", "/v1/kv/docker/?recurse", ""),
        ("PUT", "/v1/agent/service/register", '{"Name": "x"}'),
        ("PUT", "/v1/catalog/register", service),
        ("PUT", "/v1/session/create", "{}"),
        ("GET", "/v1/agent/self", ""),
        ("PUT", "/v1/agent/leave", ""),
        ("GET", "/v1/snapshot", ""),
    ):
        assert http(deployed, host, method, path, at=where, data=data) == "403", path
    # Of a refusal that it has from its servers, an agent says now and then that it is an error.
    assert http(deployed, host, "GET", "/v1/operator/keyring", at=where) in ("403", "500")
    assert deployed.do("host1", "docker network ls -q --no-trunc") == before


def test_another_host_is_answered_by_https_alone_and_only_with_a_certificate(deployed):
    at = deployed.lab.host("host1").address
    assert http(deployed, "host2", "GET", "/v1/status/leader", at=at) == "200"
    for shown in ("-k", f"--cacert {TLS}"):
        assert http(deployed, "host2", "GET", "/v1/status/leader", at=at, shown=shown) == "000"
    plain = f"curl -s -o /dev/null -w '%{{http_code}}' http://{at}:8500/v1/status/leader || true"
    assert deployed.do("host2", plain) == "000"


def test_the_wire_shows_no_token_and_nothing_of_the_store(deployed):
    """Engines start, a network and containers come and go, and nobody who listens reads any of it."""
    image = deployed.wanted()["images"]["probe"]
    secrets = set(re.findall(r"[0-9a-f-]{36}", deployed.do("host1", f"cat {SECRETS} {ENVIRONMENT}")))
    assert len(secrets) == 3
    with captured(deployed, HOSTS) as wire:
        deployed.do("host2", "systemctl reset-failed docker docker.socket; systemctl restart docker")
        registered = f"docker run --rm --network overweave {image} true"
        wait_for(lambda: deployed.lab.host("host2").run(("sh", "-c", registered)).ok, 30, "its engine")
        deployed.do("host2", "docker network create -d overlay --subnet 10.77.0.0/16 other")
        deployed.do("host3", "docker network rm other")
        assert http(deployed, "host3", "GET", "/v1/kv/seen", at=deployed.lab.host("host1").address) == "403"
    port = (8501).to_bytes(2, "big")
    assert wire.frames.count(port) > 100
    assert not [
        text for text in ("docker/network", "docker/nodes", "X-Consul", "/v1/", "seen") if wire.has(text)
    ]
    assert not [secret for secret in secrets if wire.has(secret)]


def test_from_a_container_nothing_is_read_either(deployed):
    image = deployed.wanted()["images"]["probe"]
    for network in ("bridge", "overweave", "host"):
        at = "127.0.0.1" if network == "host" else deployed.lab.host("host1").address
        url = f"http://{at}:8500/v1/kv/docker/?recurse"
        ran = deployed.do(
            "host1", f"docker run --rm --network {network} {image} wget -O - {url} 2>&1 || true"
        )
        assert "docker/network" not in ran
        assert "404 Not Found" in ran or "can't connect" in ran, ran


def test_an_engines_token_opens_what_an_engine_needs_and_no_more(deployed):
    token = deployed.do("host2", f"sed -n 's/^CONSUL_HTTP_TOKEN=//p' {ENVIRONMENT}").strip()
    assert http(deployed, "host1", "GET", "/v1/kv/docker/?keys", token=token) == "200"
    for method, path in (("PUT", "/v1/kv/other"), ("GET", "/v1/acl/tokens"), ("GET", "/v1/snapshot")):
        assert http(deployed, "host1", method, path, token=token) == "403", path


def test_without_the_key_nobody_takes_part_in_the_stores_gossip(deployed):
    """It says nothing to a push/pull that the engines' own gossip, which has no key, answers."""
    own = deployed.lab.host("host1").address
    for port, status in ((7946, "0"), (8301, "2")):
        ask = f"OVERWEAVE_GOSSIP_PORT={port} perl {GOSSIP} {own} < /dev/null"
        assert (
            deployed.do("host1", f"{ask}; echo $?" if status == "0" else f"{ask} || echo $?").strip()
            == status
        )


def test_the_key_of_the_gossip_is_changed_and_nothing_restarts(deployed):
    key = f"grep encrypt {SECRETS}"
    started = "docker inspect -f '{{.State.StartedAt}}' consul; systemctl show -p MainPID docker"
    before, running = deployed.do("host1", key), deployed.do("host1", started)
    out = deployed.fab("rotate-gossip-key").ok().out
    assert out == "all agents of the store gossip with a new key\n"
    assert deployed.do("host1", key) != before
    assert deployed.do("host1", started) == running
    kept = deployed.do("host1", "docker exec consul cat /consul/data/serf/local.keyring")
    assert json.loads(kept) == [
        json.loads("{" + deployed.do("host1", key).strip().rstrip(",") + "}")["encrypt"]
    ]
    assert deployed.deploy().ok().out == NOTHING_TO_DO


def test_no_secret_is_anywhere_but_in_its_files(deployed):
    plan = deployed.folder / "plan.json"
    deployed.fab("plan-overlay", "--json", str(plan))
    secrets, keys = set(), set()
    for name in HOSTS:
        files = KNOWN if name == "host1" else OF_ENGINES
        assert deployed.do(name, f"stat -c '%a %u %n' {files}").splitlines() == [
            f"600 0 {path}" for path in files.split()
        ]
        text = deployed.do(name, f"cat {files}")
        secrets |= {*re.findall(r'[0-9a-f-]{36}|(?<=")[A-Za-z0-9+/]{43}=(?=")', text)}
        keys |= {*re.findall(r"BEGIN PRIVATE KEY-----\n(.*)\n", text)}
        assert sorted(deployed.do(name, SEARCH.replace(KNOWN, files)).split("\n")) == sorted(
            ["", *files.split()]
        )
    assert (len(secrets), len(keys)) == (4, 4)
    told = [plan, *(path for path in deployed.home.rglob("*") if path.is_file())]
    assert any("runs" in path.parts for path in told)
    for path in told:
        text = path.read_bytes().decode(errors="replace")
        assert not any(secret in text for secret in secrets | keys), path


OPEN = """
cd /etc/overweave
printf %s '{config}' > consul.json
docker rm -f consul
rm consul-secrets.json operator.token authority.pem tls.pem
docker run -d --name consul --network host --restart always --label {label}=open --user 0:0 \\
  --entrypoint consul -v overweave-consul:/consul/data -v /etc/overweave:/etc/overweave:ro {image} \\
  agent -config-file=/etc/overweave/consul.json
"""
NO_TOKEN = f"""
rm -f {ENVIRONMENT} {TLS}
sed -i -e /^EnvironmentFile/d -e 's/ --cluster-store-opt=kv[^ ]*//g' -e s/:8501/:8500/ {DROP_IN}
systemctl daemon-reload
systemctl restart docker
"""


def test_an_open_store_is_closed_in_place_under_users_containers(deployed):
    """As the version before tokens has left it."""
    images = deployed.wanted()
    network = "docker network inspect -f '{{.Id}}' overweave"
    before = deployed.do("host1", network)
    config = json.loads(deployed.do("host1", "cat /etc/overweave/consul.json"))
    config = {key: its for key, its in config.items() if not re.match("acl|addresses|verify_|.*_file", key)}
    config |= {"client_addr": "0.0.0.0", "ports": {"http": 8500, "serf_wan": -1}}
    script = OPEN.format(config=json.dumps(config), image=images["store"]["image"], label=SPEC_LABEL)
    deployed.do("host1", script)
    for name in HOSTS:
        deployed.do(name, NO_TOKEN)
    assert deployed.do("host2", f"curl -sf 'http://{deployed.lab.host('host1').address}:8500{LISTED}'")
    probe = images["images"]["probe"]
    run = f"docker run -d --name app --restart always --network overweave {probe} sleep 9999"
    wait_for(lambda: deployed.lab.host("host2").run(("sh", "-c", run)).ok, 60, "a container to run")
    out = deployed.deploy().ok().out
    assert "6 of 6 directed pairs green" in out
    assert "CONSUL" not in out
    assert deployed.do("host1", network) == before
    assert deployed.do("host2", "docker inspect -f '{{.State.Running}}' app") == "true\n"
    assert http(deployed, "host2", "GET", LISTED, at=deployed.lab.host("host1").address) == "404"
    assert deployed.deploy().ok().out == NOTHING_TO_DO


@pytest.mark.long
def test_files_that_were_lost_are_made_anew_and_the_store_opens_to_them(deployed):
    network = "docker network inspect -f '{{.Id}}' overweave"
    before = deployed.do("host1", network)
    for name in HOSTS:
        deployed.do(name, f"rm -f {KNOWN}")
    assert "6 of 6 directed pairs green" in deployed.deploy().ok().out
    assert deployed.do("host1", network) == before
    assert http(deployed, "host1", "GET", LISTED) == "404"
    assert deployed.deploy().ok().out == NOTHING_TO_DO


def test_what_others_may_read_is_shut_again(deployed):
    deployed.do("host3", f"chmod 644 {ENVIRONMENT} {TLS}")
    assert "others than root can read it" in deployed.fab("plan-overlay").out
    deployed.deploy().ok()
    assert deployed.do("host3", f"stat -c %a {ENVIRONMENT} {TLS}") == "600\n600\n"


def files(bed):
    return {name: certificates.parse(bed.do(name, f"cat {TLS}")) for name in HOSTS}


def test_certificates_and_their_authority_are_changed_under_users_containers(deployed):
    """With one server engines use HTTPS themselves, and restart: each once, and the server's host last."""
    image = deployed.wanted()["images"]["probe"]
    run = f"docker run -d --name used --restart always --network overweave {image} sleep 9999"
    deployed.do("host2", run)
    network = "docker network inspect -f '{{.Id}}' overweave"
    before, old, pids = deployed.do("host1", network), files(deployed), deployed.pids()
    key = deployed.do("host1", f"grep encrypt {SECRETS}")
    ran = deployed.fab("runbook.rotate-secrets", "--yes").ok()
    assert deployed.do("host1", f"grep encrypt {SECRETS}") != key
    assert "6 of 6 directed pairs green" in ran.out
    new = files(deployed)
    assert all(len(its.trusted) == 1 for its in new.values())
    assert {its.trusted for its in new.values()}.isdisjoint({its.trusted for its in old.values()})
    assert not {its.fingerprint for its in new.values()} & {its.fingerprint for its in old.values()}
    assert [now != then for now, then in zip(deployed.pids(), pids, strict=True)] == [True] * 3
    assert deployed.do("host1", network) == before
    assert deployed.do("host2", "docker inspect -f '{{.State.Running}}' used") == "true\n"
    assert deployed.deploy().ok().out == NOTHING_TO_DO
    state = deployed.fab("store-status").ok().out
    assert re.search(r"^certificates: the first ends on 20\d\d-\d\d-\d\d \(host1\)$", state, re.M), state
