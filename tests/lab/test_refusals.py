"""Bad input gets a clear error, word for word, and changes nothing."""

from __future__ import annotations

import pytest
from tests.lab.bed import DROP_IN, NET, NOTHING_TO_DO

from overweave.lab.waiting import wait_for

pytestmark = pytest.mark.lab

EVERYWHERE = ("deploy-overlay", "plan-overlay", "validate-overlay", "status", "destroy-overlay")


@pytest.fixture
def untouched(clean):
    """The clean bed; after the test it must be as it was, down to the processes."""
    before = clean.state()
    yield clean
    clean.mend()
    assert clean.state() == before


def refused(bed, *words, status, said, **more):
    ran = bed.fab(*words, **more)
    assert (ran.status, ran.said, ran.out) == (status, f"overweave: {said}", ""), ran


@pytest.mark.parametrize("task", EVERYWHERE)
def test_no_hosts(untouched, tmp_path, task):
    refused(
        untouched,
        task,
        inventory=None,
        cwd=tmp_path,
        program=untouched.overweave,
        status=2,
        said="no hosts\n  -> give them with -H host1,host2 or in a file with --inventory FILE",
    )


@pytest.mark.parametrize(
    ("hosts", "which"),
    [
        ("host1,host2,host1", "host1"),
        (f"host1,{NET}.11", "host1"),
        ("root@host1,host2,ops@host1", "host1"),
    ],
    ids=["name", "address", "user"],
)
def test_a_host_given_twice(untouched, hosts, which):
    refused(
        untouched,
        "deploy-overlay",
        "-H",
        hosts,
        status=2,
        said=f"host given twice: {which}\n  -> name each host once",
    )


def test_a_host_that_nobody_knows(untouched):
    refused(
        untouched,
        "deploy-overlay",
        "-H",
        "host1,nowhere.invalid",
        status=3,
        said="nowhere.invalid: unknown host: nowhere.invalid has no address\n"
        "  -> check the spelling; it is not in the inventory, ~/.ssh/config or DNS",
    )


def test_what_is_no_host(untouched):
    refused(
        untouched,
        "deploy-overlay",
        "-H",
        "host1:99999",
        status=2,
        said="'host1:99999': there is no port 99999\n  -> ports go from 1 to 65535",
    )


def test_a_port_with_no_sshd_and_an_address_with_no_host(untouched):
    refused(
        untouched,
        "-t",
        "1",
        "deploy-overlay",
        "-H",
        f"host1,host2:2222,root@{NET}.99",
        status=3,
        said=f"host2: unreachable: {NET}.12 port 2222: Connection refused\n"
        "  -> is the host up, and its sshd running?\n"
        f"{NET}.99: no answer from {NET}.99 port 22 within 1 s\n"
        "  -> is the host up, and does a firewall let ssh through?",
    )


def test_a_key_that_opens_nothing(untouched, tmp_path, other_key):
    inventory = untouched.wanted()
    inventory["hosts"]["host2"]["key"] = str(other_key)
    refused(
        untouched,
        "deploy-overlay",
        inventory=untouched.write("i.yml", inventory),
        status=3,
        said=f"host2: user root was not let in at {NET}.12 port 22: no key or password was accepted\n"
        f"  -> try `ssh -p 22 root@{NET}.12`; give a key with -i FILE or `key:` in the inventory",
    )


def test_a_key_that_is_not_there(untouched):
    inventory = untouched.wanted()
    inventory["ssh"]["key"] = "/nowhere/id"
    refused(
        untouched,
        "deploy-overlay",
        "-H",
        "host1",
        inventory=untouched.write("i.yml", inventory),
        status=3,
        said="host1: ssh key /nowhere/id: no such file\n  -> check `key:` or -i",
    )


@pytest.fixture(scope="module")
def other_key(bed):
    path = bed.folder / "other"
    bed.machine("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path))
    return path


@pytest.fixture
def fingerprints(bed):
    """ED25519 SHA256:… of each host, as OpenSSH says it."""
    found = {}
    for host in bed.hosts:
        line = bed.do(host.name, "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub")
        found[host.name] = f"ED25519 {line.split()[1]}"
    return found


def test_a_host_key_that_is_unknown_and_one_that_is_accepted(untouched, tmp_path, fingerprints):
    known = tmp_path / "known_hosts"
    known.write_text("".join(untouched.lab.known_hosts.read_text().splitlines(keepends=True)[:2]))
    inventory = untouched.wanted()
    inventory["ssh"]["known_hosts"] = str(known)
    path = untouched.write("i.yml", inventory)
    before = known.read_text()
    refused(
        untouched,
        "deploy-overlay",
        inventory=path,
        status=3,
        said=f"host3: unknown host key of {NET}.13: {fingerprints['host3']}\n"
        "  -> compare it with `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on the host, "
        "then accept it with --accept-new-host-keys",
    )
    assert known.read_text() == before
    untouched.fab("status", "--accept-new-host-keys", inventory=path).ok()
    key = untouched.hosts[2].public_key
    assert known.read_text() == f"{before}{NET}.13 {key}\n"
    untouched.fab("status", inventory=path).ok()


def test_a_new_key_is_written_where_ssh_writes_it(untouched, tmp_path):
    """Without known_hosts in the inventory it is ~/.ssh/known_hosts, which is made if need be."""
    inventory = untouched.wanted()
    del inventory["ssh"]["known_hosts"]
    path = untouched.write("i.yml", inventory)
    home = {"HOME": str(tmp_path)}
    ran = untouched.fab("status", "-H", "host1", inventory=path, environment=home)
    assert (ran.status, ran.said.split(":")[:3]) == (
        3,
        ["overweave", " host1", f" unknown host key of {NET}.11"],
    )
    assert not (tmp_path / ".ssh").exists()
    untouched.fab("status", "--accept-new-host-keys", inventory=path, environment=home).ok()
    written = sorted((tmp_path / ".ssh/known_hosts").read_text().splitlines())
    assert written == [f"{host.address} {host.public_key}" for host in untouched.hosts]
    assert (tmp_path / ".ssh").stat().st_mode & 0o777 == 0o700
    untouched.fab("status", inventory=path, environment=home).ok()


def test_a_host_key_that_has_changed(untouched, tmp_path, fingerprints, other_key):
    known = tmp_path / "known_hosts"
    first, *rest = untouched.lab.known_hosts.read_text().splitlines(keepends=True)
    stranger = " ".join(other_key.with_suffix(".pub").read_text().split()[:2])
    known.write_text(f"{first.split()[0]} {stranger}\n{''.join(rest)}")
    wrong = untouched.machine("ssh-keygen", "-lf", str(other_key)).split()[1]
    inventory = untouched.wanted()
    inventory["ssh"]["known_hosts"] = str(known)
    for option in ((), ("--accept-new-host-keys",)):
        refused(
            untouched,
            "deploy-overlay",
            *option,
            inventory=untouched.write("i.yml", inventory),
            status=3,
            said=f"host1: the host key of {NET}.11 has CHANGED: it is {fingerprints['host1']}, "
            f"known was ED25519 {wrong}\n"
            "  -> either somebody listens in, or the host was reinstalled; if you are sure: "
            f"`ssh-keygen -R {NET}.11`, then --accept-new-host-keys",
        )


@pytest.mark.parametrize("user", ["nosudo", "pwops"])
def test_a_user_whom_sudo_does_not_let(untouched, user):
    refused(
        untouched,
        "deploy-overlay",
        "-H",
        f"{user}@host1,host2",
        status=3,
        said=f"host1: sudo asks user {user} for a password, or does not know the user\n"
        f"  -> add --prompt-for-sudo-password, or give {user} NOPASSWD in /etc/sudoers.d",
    )


@pytest.fixture
def without_docker(clean):
    clean.do("host2", "mv /usr/sbin/dockerd /usr/sbin/dockerd.away")
    clean.undo.append(lambda: clean.do("host2", "mv /usr/sbin/dockerd.away /usr/sbin/dockerd"))


def test_a_host_without_docker(untouched, without_docker):
    for task in ("deploy-overlay", "plan-overlay"):
        refused(
            untouched,
            task,
            status=4,
            said="host2: Docker is not installed: there is no dockerd\n"
            "  -> install it, as with `apt-get install docker.io` on Debian",
        )
    assert "host2  no Docker" in untouched.fab("status").ok().out


@pytest.fixture
def other_engine(clean):
    """Puts a real engine in place that differs from the host's own in one string of its binary."""

    def put(was, becomes):
        assert len(was.replace("[.]", ".")) == len(becomes)
        clean.undo.append(
            lambda: clean.do("host3", "mv /usr/sbin/dockerd.own /usr/sbin/dockerd; systemctl restart docker")
        )
        clean.do(
            "host3",
            "cp -p /usr/sbin/dockerd /usr/sbin/dockerd.own\n"
            f"sed 's#{was}#{becomes}#g' /usr/sbin/dockerd.own > /usr/sbin/dockerd.new\n"
            "! cmp -s /usr/sbin/dockerd.own /usr/sbin/dockerd.new\n"
            "chmod 755 /usr/sbin/dockerd.new; mv /usr/sbin/dockerd.new /usr/sbin/dockerd\n"
            "systemctl reset-failed docker; systemctl restart docker",
        )

    return put


def test_an_engine_after_20_10(clean, other_engine):
    other_engine("20[.]10[.]5+dfsg1", "26.10.5+dfsg1")
    before = clean.state()
    refused(
        clean,
        "deploy-overlay",
        "--backend",
        "consul",
        status=4,
        said="host3: Docker 26.10.5+dfsg1 has no cluster store: it was removed after 20.10\n"
        "  -> the engines' own swarm carries an overlay there: `--backend swarm`",
    )
    assert clean.state() == before


def test_an_engine_that_was_built_without_consul(clean, other_engine):
    other_engine("libkv/store/consul", "libkv/store/nobody")
    before = clean.state()
    refused(
        clean,
        "deploy-overlay",
        "--backend",
        "consul",
        status=4,
        said="host3: this Docker 20.10.5+dfsg1 was built without Consul, as Debian 12's is\n"
        "  -> a store in etcd carries an overlay there: `--backend etcd`; "
        "so does the engines' own swarm: `--backend swarm`",
    )
    assert clean.state() == before


def test_an_engine_in_swarm_mode(clean):
    clean.do("host2", f"docker swarm init --advertise-addr {NET}.12")
    clean.undo.append(
        lambda: clean.do("host2", "docker swarm leave --force; docker network rm docker_gwbridge")
    )
    # The swarm makes its own networks a moment later.
    for name in ("ingress", "docker_gwbridge"):
        wait_for(lambda name=name: name in clean.do("host2", "docker network ls"), 20, name)
    before = clean.state()
    refused(
        clean,
        "deploy-overlay",
        "--backend",
        "consul",
        status=4,
        said="host2: the engine is in swarm mode, which forbids a cluster store\n"
        "  -> `--backend swarm` uses it; `docker swarm leave` if it is not needed",
    )
    assert clean.state() == before


@pytest.mark.parametrize(
    ("advertise", "said"),
    [
        ("eth7", "there is no interface eth7\n  -> it has: eth0"),
        (
            f"{NET}.99",
            f"advertise address {NET}.99 is not one of this host's\n"
            f"  -> its own are: {NET}.12 (eth0), 172.17.0.1 (docker0)",
        ),
    ],
    ids=["interface", "address"],
)
def test_an_interface_or_address_that_the_host_does_not_have(untouched, advertise, said):
    inventory = untouched.wanted()
    inventory["hosts"]["host2"]["advertise"] = advertise
    refused(
        untouched,
        "deploy-overlay",
        inventory=untouched.write("i.yml", inventory),
        status=4,
        said=f"host2: {said}",
    )


@pytest.mark.parametrize(
    ("subnet", "said"),
    [
        ("10.211.0.0/33", "'10.211.0.0/33' is not an IPv4 subnet such as 10.211.0.0/16"),
        ("10.211.0.1/16", "'10.211.0.1/16' has host bits set; the subnet is 10.211.0.0/16"),
        ("10.211.0.0", "'10.211.0.0' leaves no room for containers: take a prefix from /8 to /29"),
        ("fd00::/64", "'fd00::/64' is not an IPv4 subnet such as 10.211.0.0/16"),
    ],
)
def test_what_is_no_subnet(untouched, subnet, said):
    hint = "\n  -> as in --subnet 10.211.0.0/16"
    refused(untouched, "deploy-overlay", "--subnet", subnet, status=2, said=f"--subnet: {said}{hint}")
    inventory = untouched.wanted()
    inventory["network"] = {"subnet": subnet}
    path = untouched.write("i.yml", inventory)
    said = f"{path}: network.subnet: {said}\n  -> see inventory/example.yml"
    refused(untouched, "deploy-overlay", inventory=path, status=2, said=said)


CHOOSE = "\n  -> choose another with --subnet or `network: subnet:`"


def test_a_subnet_that_overlaps_a_route(untouched):
    said = f"the subnet 10.98.0.0/16 overlaps the route to {NET}.0/24 on eth0" + CHOOSE
    refused(
        untouched,
        "deploy-overlay",
        "--subnet",
        "10.98.0.0/16",
        status=4,
        said="\n".join(f"host{n}: {said}" for n in (1, 2, 3)),
    )


def test_a_subnet_that_overlaps_a_docker_network_of_one_host(clean):
    clean.do(
        "host3", "docker network create --subnet 172.30.0.0/24 -o com.docker.network.bridge.name=mine mine"
    )
    clean.undo.append(lambda: clean.do("host3", "docker network rm mine"))
    before = clean.state()
    refused(
        clean,
        "deploy-overlay",
        "--subnet",
        "172.30.0.0/16",
        status=4,
        said="host3: the subnet 172.30.0.0/16 overlaps the route to 172.30.0.0/24 on mine" + CHOOSE,
    )
    assert clean.state() == before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"netwrok": {}}, "netwrok: unknown key\n  -> did you mean 'network'?"),
        ({"network": {"subnets": "10.0.0.0/8"}}, "network.subnets: unknown key\n  -> did you mean 'subnet'?"),
        ({"hosts": {}}, "hosts: "),
        ({"store": {"kind": "zookeeper"}}, "store.kind: "),
    ],
    ids=["section", "key", "no hosts", "store"],
)
def test_an_inventory_with_a_mistake(untouched, change, said):
    path = untouched.write("i.yml", untouched.wanted() | change)
    ran = untouched.fab("deploy-overlay", inventory=path)
    assert (ran.status, ran.out) == (2, "")
    assert ran.said.startswith(f"overweave: {path}: {said}"), ran.said


def test_an_inventory_that_is_not_there(untouched):
    refused(
        untouched,
        "deploy-overlay",
        "--inventory",
        "/nowhere.yml",
        status=2,
        said="/nowhere.yml: no such inventory\n  -> see inventory/example.yml, or give the hosts with -H",
    )


def test_an_image_that_is_nowhere(bare):
    inventory = bare.wanted()
    del inventory["images"]["archives"]["busybox:1.30.1"]
    before = bare.state()
    ran = bare.deploy(inventory=bare.write("i.yml", inventory))
    assert ran.status == 4, ran
    for name in ("host1", "host2", "host3"):
        assert (
            f"{name}: image busybox:1.30.1 is not on the host, in no archive of the inventory, and can't be "
            'pulled: Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io'
        ) in ran.said
    assert (
        ran.said.count(
            "  -> `docker save -o FILE busybox:1.30.1` where there is one, and name the FILE under "
            "`images: archives:` in the inventory"
        )
        == 3
    )
    assert bare.state() == before


def test_an_archive_that_is_not_there(untouched):
    inventory = untouched.wanted()
    inventory["images"]["archives"]["consul:1.8.7"] = "/nowhere/consul.tar"
    refused(
        untouched,
        "deploy-overlay",
        inventory=untouched.write("i.yml", inventory),
        status=4,
        said="image archive /nowhere/consul.tar for consul:1.8.7: no such file\n"
        "  -> make it with `docker save -o consul.tar consul:1.8.7`",
    )


def test_an_archive_that_holds_another_image(untouched):
    archives = untouched.wanted()["images"]["archives"]
    inventory = untouched.wanted()
    inventory["images"]["probe"] = "busybox:9"
    inventory["images"]["archives"]["busybox:9"] = archives["busybox:1.30.1"]
    refused(
        untouched,
        "deploy-overlay",
        inventory=untouched.write("i.yml", inventory),
        status=2,
        said=f"image archive {archives['busybox:1.30.1']} does not hold busybox:9\n"
        "  -> make it with `docker save -o busybox.tar busybox:9`",
    )


def test_an_archive_that_is_no_archive(bare, tmp_path):
    before = bare.state()
    (tmp_path / "broken.tar").write_text("this is no tar")
    inventory = bare.wanted()
    inventory["images"]["archives"]["busybox:1.30.1"] = str(tmp_path / "broken.tar")
    ran = bare.deploy(inventory=bare.write("i.yml", inventory))
    assert (ran.status, ran.out) == (2, "")
    assert f"image archive {tmp_path}/broken.tar: " in ran.said
    assert bare.state() == before


def test_a_daemon_json_with_a_cluster_store(untouched):
    text = '{\\"cluster-store\\": \\"etcd://10.0.0.1:2379\\"}'
    untouched.do("host2", f'echo "{text}" > /etc/docker/daemon.json')
    untouched.undo.append(lambda: untouched.do("host2", "rm /etc/docker/daemon.json"))
    refused(
        untouched,
        "deploy-overlay",
        status=4,
        said="host2: cluster-store is set in /etc/docker/daemon.json: given as a flag too, "
        "the engine would not start\n"
        "  -> remove cluster-store from /etc/docker/daemon.json",
    )


def test_a_daemon_json_that_is_broken(untouched):
    untouched.do("host2", "echo '{,}' > /etc/docker/daemon.json")
    untouched.undo.append(lambda: untouched.do("host2", "rm /etc/docker/daemon.json"))
    ran = untouched.fab("deploy-overlay")
    assert (ran.status, ran.out) == (4, "")
    assert ran.said.startswith("overweave: host2: /etc/docker/daemon.json is not JSON: ")
    assert ran.said.endswith("\n  -> mend it before the engine restarts")


def test_flags_of_somebody_else(untouched):
    untouched.do(
        "host1",
        "cp -p /etc/default/docker /root/docker\n"
        "echo 'DOCKER_OPTS=\"--cluster-store=etcd://10.0.0.1:2379\"' >> /etc/default/docker",
    )
    untouched.undo.append(lambda: untouched.do("host1", "mv /root/docker /etc/default/docker"))
    refused(
        untouched,
        "deploy-overlay",
        status=4,
        said="host1: docker.service or its environment file sets --cluster- flags that Overweave did not "
        "write\n  -> remove them: see `systemctl cat docker` and /etc/default/docker",
    )


def test_a_drop_in_that_would_win(untouched):
    later = f"{DROP_IN.rpartition('/')[0]}/99-mine.conf"
    untouched.do(
        "host1",
        f"mkdir -p $(dirname {later})\n"
        f"printf '[Service]\\nExecStart=\\nExecStart=/usr/sbin/dockerd -H fd://\\n' > {later}\n"
        "systemctl daemon-reload",
    )
    untouched.undo.append(lambda: untouched.do("host1", f"rm -r $(dirname {later}); systemctl daemon-reload"))
    refused(
        untouched,
        "deploy-overlay",
        status=4,
        said=f"host1: {later} sets ExecStart after Overweave's drop-in and would win\n"
        "  -> give it a name that sorts before 90-overweave.conf",
    )


def test_two_hosts_with_one_name(untouched):
    untouched.do("host3", "hostname host2")
    untouched.undo.append(lambda: untouched.do("host3", "hostname host3"))
    refused(
        untouched,
        "deploy-overlay",
        status=4,
        said="host2 and host3 both call themselves 'host2': gossip goes by host names\n"
        "  -> give each its own with `hostnamectl set-hostname NAME` (docker/classicswarm#1573)",
    )


def test_a_container_named_consul_of_somebody_else(clean):
    clean.undo.append(clean.make_clean)
    clean.do("host1", "docker create --name consul busybox:1.30.1")
    before = clean.state()
    refused(
        clean,
        "deploy-overlay",
        status=4,
        said="host1: a container named consul is there that Overweave did not make\n"
        "  -> rename it with `docker rename consul other`, or choose another store host",
    )
    assert clean.state() == before


def test_everything_that_forbids_it_is_said_at_once(untouched):
    untouched.do("host2", "echo '[]' > /etc/docker/daemon.json; hostname host3")
    untouched.undo.append(lambda: untouched.do("host2", "rm /etc/docker/daemon.json; hostname host2"))
    inventory = untouched.wanted()
    inventory["hosts"]["host1"]["advertise"] = "eth1"
    refused(
        untouched,
        "deploy-overlay",
        inventory=untouched.write("i.yml", inventory),
        status=4,
        said="host1: there is no interface eth1\n"
        "  -> it has: eth0\n"
        "host2: /etc/docker/daemon.json is not a JSON object\n"
        "  -> mend it before the engine restarts\n"
        "host2 and host3 both call themselves 'host3': gossip goes by host names\n"
        "  -> give each its own with `hostnamectl set-hostname NAME` (docker/classicswarm#1573)",
    )


def test_a_network_with_other_attributes_and_its_replacement(deployed):
    before = deployed.state()
    network = "network overweave is there with other attributes: subnet 10.211.0.0/16, wanted 10.212.0.0/16"
    hint = "\n  -> ask for it as it is, choose another --network name, or --replace-network"
    refused(
        deployed,
        "deploy-overlay",
        "--subnet",
        "10.212.0.0/16",
        status=4,
        said="\n".join(f"host{n}: {network}{hint}" for n in (1, 2, 3)),
    )
    assert deployed.state() == before
    unasked = deployed.fab("runbook.change-network", "--subnet", "10.212.0.0/16")
    assert (unasked.status, unasked.said) == (
        2,
        "overweave: Network overweave is removed, and made anew with 10.212.0.0/16. Nobody is there to ask.\n"
        "  -> add --yes to go on without asking\n"
        "stopped at step 1 of 2, change: nothing behind it was done\n"
        "  -> mend the cause, then the same command goes on",
    )
    assert deployed.state() == before
    ran = deployed.fab("runbook.change-network", "--subnet", "10.212.0.0/16", "--yes")
    assert ran.status == 0, ran
    assert "6 of 6 directed pairs green on overweave" in ran.out
    assert deployed.do(
        "host3", "docker network inspect -f '{{(index .IPAM.Config 0).Subnet}}' overweave"
    ) == ("10.212.0.0/16\n")


def test_a_network_that_is_in_use_is_not_replaced(deployed):
    deployed.do(
        "host2", "docker run -d --name used --stop-signal KILL --network overweave busybox:1.30.1 sleep 1000"
    )
    deployed.undo.append(lambda: deployed.do("host2", "docker rm -f used"))
    before = deployed.state()
    ran = deployed.deploy("--mtu", "1400", "--replace-network")
    assert (ran.status, ran.said) == (
        4,
        "overweave: host2: network overweave can't be replaced: on it are used\n"
        "  -> `docker network disconnect overweave CONTAINER`, or remove them, and connect them again later",
    )
    assert deployed.state() == before
    deployed.mend()
    assert deployed.deploy().out == NOTHING_TO_DO
