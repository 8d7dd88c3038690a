"""Text to `Fleet`: what is read, what is refused, and in which words."""

from __future__ import annotations

import string
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from overweave.errors import InventoryError, UsageError
from overweave.inventory import choose, lines_of, load, parse, parse_host
from overweave.model import Access, Archive, Fleet, Host, Images, Network, Schedule, Store, Swarm
from overweave.wanted import Joining, Subnet, WantedNetwork

EXAMPLE = Path(__file__).parents[2] / "inventory" / "example.yml"
SEE = "\n  -> see inventory/example.yml"


def whole(said):
    """With the next step that is everybody's, where a message has none of its own."""
    return said if "\n  -> " in said else said + SEE


def test_the_example_inventory_says_what_its_comments_say():
    key, known = Path("~/.ssh/id_ed25519").expanduser(), Path("~/.ssh/known_hosts").expanduser()
    assert load(EXAMPLE) == Fleet(
        hosts=(
            Host("web1", Access("10.0.0.11", "ops", 22, key, known), store=True, manager=True),
            Host("web2", Access("10.0.0.12", "ops", 22, key, known), advertise="eth1"),
            Host("web3", Access("10.0.0.13", "admin", 2222, key, known), zone="rack2"),
        ),
        network=Network("overweave", IPv4Network("10.211.0.0/16"), 1500, {}),
        store=Store("consul", "hashicorp/consul:1.15.4", 8500, {"log_level": "warn"}, 3, decided=True),
        images=Images("busybox:1.36", {}),
        swarm=Swarm(3, 4789, IPv4Network("10.30.0.0/16"), False),
        networks=(
            WantedNetwork(
                "shop",
                "overlay",
                ("web1", "web2", "web3"),
                (Subnet(IPv4Network("10.212.0.0/16"), IPv4Address("10.212.0.1")),),
                mtu=1500,
                labels={"team": "web"},
                containers=(Joining("web1", "app", ("shop-app",), "10.212.0.10"),),
            ),
            WantedNetwork(
                "lan",
                "macvlan",
                ("web1", "web2"),
                (
                    Subnet(
                        IPv4Network("10.0.50.0/24"),
                        IPv4Address("10.0.50.1"),
                        {"web1": IPv4Network("10.0.50.128/27"), "web2": IPv4Network("10.0.50.192/26")},
                        {"printer": IPv4Address("10.0.50.131")},
                        {"web1": IPv4Address("10.0.50.159"), "web2": IPv4Address("10.0.50.254")},
                    ),
                ),
                parents={"web1": "eth1.50", "web2": "bond0.50"},
                mode="bridge",
                shim=True,
            ),
        ),
    )


def test_what_is_not_given_has_its_default():
    fleet = parse("hosts: {a: , b: {address: 10.0.0.2}}")
    assert fleet == Fleet((Host("a", Access("a")), Host("b", Access("10.0.0.2"))))
    assert (fleet.store_host.name, fleet.names) == ("a", ("a", "b"))


def test_relative_paths_start_at_the_folder_of_the_file(tmp_path):
    path = tmp_path / "fleet.yml"
    path.write_text(
        "ssh: {key: keys/id, known_hosts: /etc/known}\n"
        "hosts: {a: , b: {key: ../other, store: true}}\n"
        "images:\n"
        "  archives:\n"
        "    'x:1': x.tar\n"
        "    'y:1': {path: y.tar, entrypoint: [sh], command: [-c, id]}\n"
        "network: {options: {a: 1, b: 2.5, c: 'x'}}\n"
    )
    fleet = load(path)
    assert [h.access.key for h in fleet.hosts] == [tmp_path / "keys/id", tmp_path / "../other"]
    assert {h.access.known_hosts for h in fleet.hosts} == {Path("/etc/known")}
    assert fleet.store_host.name == "b"
    assert fleet.images.archives == {
        "x:1": Archive(tmp_path / "x.tar"),
        "y:1": Archive(tmp_path / "y.tar", ("sh",), ("-c", "id")),
    }
    assert fleet.network.options == {"a": "1", "b": "2.5", "c": "x"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "an inventory is a mapping with the key 'hosts'" + SEE),
        ("[a, b]", "an inventory is a mapping with the key 'hosts'" + SEE),
        ("{}", "hosts: is missing" + SEE),
        ("hosts: {}", "hosts: dictionary should have at least 1 item after validation, not 0, not {}"),
        ("hosts: [a]", "hosts: input should be a valid dictionary, not ['a']"),
        ("hosts: {a: x}", "hosts.a: must be a mapping, not 'x'" + SEE),
        ("hosts: {1: }", "hosts.1: input should be a valid string, not 1"),
        ("hosts: {'-a': }", "hosts.-a: '-a' is not allowed here" + SEE),
        ("hosts: {a: {adress: x}}", "hosts.a.adress: unknown key\n  -> did you mean 'address'?"),
        (
            "hosts: {a: {zzz: x}}",
            "hosts.a.zzz: unknown key\n"
            "  -> known keys: user, port, key, known_hosts, address, advertise, store, manager, zone",
        ),
        ("host: {a: }", "host: unknown key\n  -> did you mean 'hosts'?"),
        ("{hosts: {a: }, netwrok: {}}", "netwrok: unknown key\n  -> did you mean 'network'?"),
        ("{hosts: {a: }, ssh: {usr: x}}", "ssh.usr: unknown key\n  -> did you mean 'user'?"),
        (
            "{hosts: {a: }, ssh: {port: 70000}}",
            "ssh.port: input should be less than or equal to 65535, not 70000",
        ),
        ("hosts: {a: {port: '22'}}", "hosts.a.port: input should be a valid integer, not '22'"),
        ("hosts: {a: {address: 'a b'}}", "hosts.a.address: 'a b' is not allowed here" + SEE),
        ("hosts: {a: {advertise: 'eth 1'}}", "hosts.a.advertise: 'eth 1' is not allowed here" + SEE),
        ("hosts: {a: {store: 1}}", "hosts.a.store: input should be a valid boolean, not 1"),
        (
            "hosts: {a: {store: true}, b: {store: true}}\nstore: {servers: 1}",
            "store.servers: is 1, and 2 hosts are marked with `store: true`: a, b\n"
            "  -> mark fewer hosts, or leave `servers` out: the marked hosts carry the store then",
        ),
        ("hosts: {a: , b: }\nstore: {servers: 3}", "store.servers: is 3, and there are 2 hosts"),
        ("hosts: {a: }\nstore: {servers: 2}", "store.servers: input should be 1, 3 or 5, not 2"),
        (
            "hosts: {a: {address: 10.0.0.1}, b: {address: 10.0.0.1}}",
            "host given twice: a and b (10.0.0.1)\n  -> name each host once",
        ),
        ("hosts:\n  a:\n  b:\n  a:\n", "line 4: 'a' is given twice\n  -> keep one of them"),
        ("hosts:\n  ? [a]\n  : x\n", "line 2: a key must be a plain word"),
        ("hosts: {a: ", "line 1: not YAML: expected the node content, but found '<stream end>'"),
        (
            "hosts: {a: !!python/name:os.system }",
            "line 1: not YAML: could not determine a constructor for the tag "
            "'tag:yaml.org,2002:python/name:os.system'",
        ),
        ("hosts: {? &x {a: *x} : b}", "line 1: not YAML: found unconstructable recursive node"),
        ("hosts: {a: 2001-13-41}", "not YAML: month must be in 1..12"),
        ("hosts: \0", "not YAML: unacceptable character #x0000: special characters are not allowed"),
        (
            "hosts: {a: {key: ~nobody-of-that-name/id}}",
            "hosts.a.key: there is no user 'nobody-of-that-name'",
        ),
        ("? !!set {a}\n: x", "line 1: a key must be a plain word"),
        (
            "{hosts: {a: }, network: {subnet: 10.211.0.1/16}}",
            "network.subnet: '10.211.0.1/16' has host bits set; the subnet is 10.211.0.0/16",
        ),
        (
            "{hosts: {a: }, network: {subnet: fd00::/64}}",
            "network.subnet: 'fd00::/64' is not an IPv4 subnet such as 10.211.0.0/16",
        ),
        (
            "{hosts: {a: }, network: {subnet: 10}}",
            "network.subnet: '10' is not an IPv4 subnet such as 10.211.0.0/16",
        ),
        (
            "{hosts: {a: }, network: {subnet: 10.0.0.0/33}}",
            "network.subnet: '10.0.0.0/33' is not an IPv4 subnet such as 10.211.0.0/16",
        ),
        *(
            (
                f"{{hosts: {{a: }}, network: {{subnet: {subnet}}}}}",
                f"network.subnet: '{subnet}' leaves no room for containers: take a prefix from /8 to /29",
            )
            for subnet in ("10.0.0.0/30", "10.0.0.0", "0.0.0.0/7")
        ),
        (
            "{hosts: {a: }, network: {mtu: 1279}}",
            "network.mtu: input should be greater than or equal to 1280, not 1279",
        ),
        (
            "{hosts: {a: }, network: {options: {x: [1]}}}",
            "network.options.x: input should be a valid string, not [1]",
        ),
        ("{hosts: {a: }, store: {kind: x}}", "store.kind: input should be 'consul' or 'etcd', not 'x'"),
        (
            "{hosts: {a: }, store: {kind: zookeeper}}",
            "store.kind: carries no overlay: Docker 20.10 panics in it (libnetwork.(*endpointCnt).Key); take "
            "consul or etcd, or leave `store` out for a swarm",
        ),
        (
            "{hosts: {a: }, backend: consul, store: {kind: etcd}}",
            "store.kind: is etcd, and `backend` is consul\n  -> remove one",
        ),
        (
            "{hosts: {a: }, store: {kind: etcd, tls: true}}",
            "store.tls: is for a store in Consul\n  -> remove `tls`",
        ),
        (
            "{hosts: {a: }, backend: etcd, store: {run_as: service}}",
            "store.run_as: is for a store in Consul\n  -> remove `run_as`",
        ),
        ("{hosts: {a: }, store: {image: 'A b'}}", "store.image: 'A b' is not allowed here" + SEE),
        (
            "{hosts: {a: }, network: {options: {com.docker.network.driver.mtu: '1400'}}}",
            "network.options.com.docker.network.driver.mtu: is set by `network: mtu:`\n  -> give it there",
        ),
        (
            "{hosts: {a: }, network: {options: {encrypted: ''}}}",
            "network.options.encrypted: works in Swarm mode only: "
            "with a cluster store containers fail to join\n  -> remove it, or say `backend: swarm`",
        ),
        (
            "{hosts: {a: }, images: {archives: {'x:1': {pth: y}}}}",
            "images.archives.x:1.pth: unknown key\n  -> did you mean 'path'?",
        ),
    ],
)
def test_what_is_wrong_is_said_at_its_path(text, message):
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert str(caught.value) == whole(message)
    assert caught.value.exit_code == 2


def test_keys_that_hosts_share_can_be_merged():
    fleet = parse("hosts: {a: &both {user: ops, port: 2222}, b: {<<: *both, address: 10.0.0.2}}")
    assert fleet.host("b").access == Access("10.0.0.2", "ops", 2222)


def test_errors_of_a_file_begin_with_its_path(tmp_path):
    path = tmp_path / "f.yml"
    with pytest.raises(InventoryError) as caught:
        load(path)
    assert str(caught.value) == (
        f"{path}: no such inventory\n  -> see inventory/example.yml, or give the hosts with -H"
    )
    path.write_text("hosts: {a: {prot: 1}}")
    with pytest.raises(InventoryError) as caught:
        load(path)
    assert str(caught.value) == f"{path}: hosts.a.prot: unknown key\n  -> did you mean 'port'?"
    path.write_bytes(b"hosts: \xff")
    with pytest.raises(InventoryError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: can't be read: 'utf-8' codec can't decode byte 0xff")
    with pytest.raises(InventoryError) as caught:
        load(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}: can't be read: [Errno 21] Is a directory")


@pytest.mark.parametrize(
    ("text", "name", "address", "user", "port"),
    [
        ("web1", "web1", "web1", None, None),
        ("10.0.0.1:2222", "10.0.0.1", "10.0.0.1", None, 2222),
        ("ops@web1", "web1", "web1", "ops", None),
        ("ops@web1:65535", "web1", "web1", "ops", 65535),
        ("fe80::1", "fe80::1", "fe80::1", None, None),
        ("ops@fd00::2:22", "fd00::2:22", "fd00::2:22", "ops", None),
        ("[fd00::2]:22", "fd00::2", "fd00::2", None, 22),
        ("ops@[fd00::2]", "fd00::2", "fd00::2", "ops", None),
    ],
)
def test_a_host_of_the_command_line(text, name, address, user, port):
    assert parse_host(text) == Host(name, Access(address, user, port))


@pytest.mark.parametrize(
    "text", ["", "@", "a b", "a@b@c", "web1:", "web1:x", "a:1:2", "[::1", "web1:123456", "user@", "web1,web2"]
)
def test_what_is_no_host_is_refused(text):
    with pytest.raises(UsageError) as caught:
        parse_host(text)
    assert str(caught.value) == f"'{text}' is not a host\n  -> write it as [user@]address[:port]"


@pytest.mark.parametrize("port", ["0", "65536", "99999"])
def test_a_port_that_does_not_exist_is_refused(port):
    with pytest.raises(UsageError) as caught:
        parse_host(f"web1:{port}")
    assert str(caught.value) == f"'web1:{port}': there is no port {port}\n  -> ports go from 1 to 65535"


INVENTORY = parse(
    "{ssh: {user: ops}, network: {name: blue}, "
    "hosts: {a: {address: 10.0.0.1, port: 2201, advertise: eth1}, b: {address: 10.0.0.2, store: true}}}"
)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a"], [Host("a", Access("10.0.0.1", "ops", 2201), "eth1")]),
        (["10.0.0.1"], [Host("a", Access("10.0.0.1", "ops", 2201), "eth1")]),
        (["root@a:22"], [Host("a", Access("10.0.0.1", "root", 22), "eth1")]),
        (
            ["b", "a"],
            [
                Host("b", Access("10.0.0.2", "ops"), store=True),
                Host("a", Access("10.0.0.1", "ops", 2201), "eth1"),
            ],
        ),
        (["new"], [Host("new", Access("new"))]),
    ],
)
def test_hosts_are_chosen_from_the_inventory_by_name_or_address(names, expected):
    fleet = choose(names, INVENTORY)
    assert list(fleet.hosts) == expected
    assert fleet.network.name == "blue"


def test_hosts_can_be_given_without_an_inventory():
    assert choose(["a", "b:22"], None) == Fleet((Host("a", Access("a")), Host("b", Access("b", None, 22))))


def test_no_names_mean_the_whole_inventory():
    assert choose([], INVENTORY) is INVENTORY
    with pytest.raises(UsageError) as caught:
        choose([], None)
    assert (
        str(caught.value) == "no hosts\n  -> give them with -H host1,host2 or in a file with --inventory FILE"
    )


@pytest.mark.parametrize(
    ("names", "which"), [(["a", "a"], "a"), (["a", "10.0.0.1"], "a"), (["x", "root@x"], "x")]
)
def test_a_host_given_twice_is_refused(names, which):
    with pytest.raises(UsageError) as caught:
        choose(names, INVENTORY)
    assert str(caught.value) == f"host given twice: {which}\n  -> name each host once"


def test_one_address_with_two_ports_is_two_hosts():
    assert choose(["x:1", "x:2"], None).names == ("x", "x")


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(string.printable, max_size=12),
    st.dates(),
    st.sampled_from(["10.0.0.0/16", "~", "~nobody", "~/x", "\0", "a", "0x10", "1:30", "=", "<<", "true"]),
)
KEYS = st.sampled_from(
    [
        "hosts",
        "ssh",
        "network",
        "store",
        "images",
        "a",
        "b",
        "user",
        "port",
        "key",
        "known_hosts",
        "address",
        "advertise",
        "name",
        "subnet",
        "mtu",
        "options",
        "kind",
        "image",
        "probe",
        "archives",
        "path",
        "entrypoint",
        "command",
        "external",
        "backup",
        "every",
        "keep",
        "folder",
        "swarm",
        "backend",
        "manager",
        "managers",
        "pool",
        "autolock",
    ]
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS | SCALARS, inner, max_size=5)),
    max_leaves=12,
)
INVENTORIES = st.fixed_dictionaries(
    {"hosts": st.dictionaries(st.sampled_from("ab"), st.dictionaries(KEYS, SCALARS, max_size=4) | SCALARS)},
    optional={
        key: st.dictionaries(KEYS, VALUES, max_size=4)
        for key in ("ssh", "network", "store", "swarm", "images")
    }
    | {"backend": st.sampled_from(["auto", "consul", "swarm"]) | SCALARS},
)


def test_backups_of_the_store_are_daily_unless_the_inventory_says_otherwise():
    assert parse("hosts: {a: }").store.backup == Schedule("daily", 7, "/var/backups/overweave")
    told = "hosts: {a: }\nstore: {backup: {every: 6h, keep: 14, folder: /srv/b-1}}"
    assert parse(told).store.backup == Schedule("6h", 14, "/srv/b-1")
    assert not parse("hosts: {a: }\nstore: {backup: {every: never}}").store.backup.on


@pytest.mark.parametrize(
    ("backup", "said"),
    [
        (
            "{every: 5h}",
            "store.backup.every: '5h' divides no day: take 5m, 15m, 30m, 1h, 6h, 12h, daily or weekly",
        ),
        (
            "{every: 1s}",
            "store.backup.every: '1s' divides no day: take 5m, 15m, 30m, 1h, 6h, 12h, daily or weekly",
        ),
        (
            "{every: 'daily; reboot'}",
            "store.backup.every: 'daily; reboot' is no calendar expression such as Mon..Fri 03:00",
        ),
        (
            '{every: "daily\\nUnit=x"}',
            "store.backup.every: 'daily Unit=x' is no calendar expression such as Mon..Fri 03:00",
        ),
        ("{folder: /a/../b}", f"store.backup.folder: '/a/../b' is not allowed here{SEE}"),
        ("{folder: '/a b'}", f"store.backup.folder: '/a b' is not allowed here{SEE}"),
        ("{folder: b}", f"store.backup.folder: 'b' is not allowed here{SEE}"),
        ("{keep: 0}", "store.backup.keep: input should be greater than or equal to 1, not 0"),
        ("{evry: 6h}", "store.backup.evry: unknown key\n  -> did you mean 'every'?"),
    ],
)
def test_backups_that_can_not_be_made_are_refused(backup, said):
    with pytest.raises(InventoryError) as caught:
        parse(f"hosts: {{a: }}\nstore: {{backup: {backup}}}")
    assert str(caught.value) == whole(said)


def test_a_store_that_somebody_else_runs():
    its = parse("hosts: {a: }\nstore: {external: '10.9.9.9:8501'}").store
    assert (its.external, its.port, its.place) == ("10.9.9.9", 8501, "10.9.9.9:8501")
    assert parse("hosts: {a: }\nstore: {external: 10.9.9.9}").store.place == "10.9.9.9:8500"


@pytest.mark.parametrize(
    ("store", "said"),
    [
        (
            "{external: consul.example}",
            "store.external: 'consul.example' is no IPv4 address, with or without a port",
        ),
        (
            "{external: 127.0.0.1}",
            "store.external: '127.0.0.1' is another machine on each host: give an address that all of them "
            "reach",
        ),
        ("{external: '10.0.0.1:0'}", "store.external: '10.0.0.1:0' has no port from 1 to 65535"),
        (
            "{external: 10.0.0.1, servers: 3}",
            "store.servers: is not for a store that somebody else runs\n  -> remove `servers`, or `external`",
        ),
        (
            "{external: 10.0.0.1, port: 8501}",
            "store.port: is not for a store that somebody else runs\n  -> give the port behind the address",
        ),
    ],
)
def test_a_store_of_somebody_else_that_is_none_is_refused(store, said):
    with pytest.raises(InventoryError) as caught:
        parse(f"hosts: {{a: , b: , c: }}\nstore: {store}")
    assert str(caught.value) == whole(said)


@pytest.mark.parametrize(
    ("store", "said"),
    [
        ("{run_as: process}", "store.run_as: input should be 'container' or 'service', not 'process'"),
        (
            "{run_as: service, image: 'consul:1'}",
            "store.image: is not for a store that runs as a service: it is the hosts' own program\n"
            "  -> remove `image`, or `run_as: service`",
        ),
        (
            "{run_as: service, external: 10.0.0.1}",
            "store.run_as: is not for a store that somebody else runs\n  -> remove `run_as`, or `external`",
        ),
    ],
)
def test_what_a_service_can_not_be_together_with(store, said):
    with pytest.raises(InventoryError) as caught:
        parse(f"hosts: {{a: }}\nstore: {store}")
    assert str(caught.value) == whole(said)


def test_a_store_is_run_by_the_engines_unless_it_is_said_otherwise():
    def store(text):
        return parse(f"hosts: {{a: }}\nstore: {{{text}}}").store

    assert (store("").run_as, store("").in_engine, store("").logs) == (
        "container",
        True,
        "docker logs consul",
    )
    service = store("run_as: service")
    assert (service.in_engine, service.logs) == (False, "journalctl -u overweave-consul")
    assert service.start == "systemctl start overweave-consul"


def test_no_host_is_marked_for_a_store_of_somebody_else():
    with pytest.raises(InventoryError) as caught:
        parse("hosts: {a: {store: true}}\nstore: {external: 10.0.0.1}")
    assert str(caught.value) == (
        "hosts.a.store: is not for a store that somebody else runs\n  -> remove `store: true`, or `external`"
    )


def test_what_carries_the_overlay():
    fleet = parse("hosts: {a: }")
    assert (fleet.backend, fleet.in_swarm, fleet.swarm) == ("auto", False, Swarm(None, 4789, None))
    assert fleet.managers == ()
    fleet = parse(
        "{backend: swarm, swarm: {managers: 1, port: 4790, pool: 10.60.0.0/16, autolock: true}, "
        "hosts: {a: , b: {manager: true}}}"
    )
    assert fleet.swarm == Swarm(1, 4790, IPv4Network("10.60.0.0/16"), True)
    assert (fleet.managers, fleet.servers, fleet.agents) == (("b",), (), ())
    assert fleet.store_host.name == "b"
    assert parse("{backend: swarm, hosts: {a: , b: }}").managers == ("a",)
    assert parse("{backend: consul, hosts: {a: {store: true}}}").backend == "consul"


def test_a_network_of_a_swarm_can_be_encrypted():
    text = "{backend: swarm, hosts: {a: }, network: {options: {encrypted: ''}}}"
    assert parse(text).network.options == {"encrypted": ""}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "backend: kubernetes",
            "backend: input should be 'auto', 'consul', 'etcd' or 'swarm', not 'kubernetes'",
        ),
        (
            "{backend: swarm, store: {servers: 3}}",
            "store: a swarm has no store\n  -> remove it, or `backend: swarm`",
        ),
        (
            "{backend: consul, swarm: {managers: 3}}",
            "swarm: is for a swarm\n  -> remove it, or say `backend: swarm`",
        ),
        ("swarm: {managers: 5}", "swarm.managers: is 5, and there are 3 hosts"),
        (
            "swarm: {managers: 2}",
            "swarm.managers: is 2: an even number survives no more losses than one less\n  -> take 1 or 3",
        ),
        ("swarm: {managers: 9}", "swarm.managers: input should be less than or equal to 7, not 9"),
        ("swarm: {managers: 0}", "swarm.managers: input should be greater than or equal to 1, not 0"),
        ("swarm: {port: 1023}", "swarm.port: input should be greater than or equal to 1024, not 1023"),
        ("swarm: {port: 49152}", "swarm.port: input should be less than or equal to 49151, not 49152"),
        (
            "swarm: {pool: 10.60.0.1/16}",
            "swarm.pool: '10.60.0.1/16' has host bits set; the subnet is 10.60.0.0/16",
        ),
        ("swarm: {autolock: often}", "swarm.autolock: input should be a valid boolean, not 'often'"),
        ("swarm: {manager: 3}", "swarm.manager: unknown key\n  -> did you mean 'managers'?"),
    ],
)
def test_a_swarm_that_can_not_be_is_refused(text, said):
    with pytest.raises(InventoryError) as caught:
        parse(yaml.safe_dump({"hosts": {"a": {}, "b": {}, "c": {}}} | yaml.safe_load(text)))
    assert str(caught.value) == whole(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "{backend: swarm, hosts: {a: {store: true}}}",
            "hosts.a.store: a swarm has no store\n  -> remove it, or `backend: swarm`",
        ),
        (
            "{backend: consul, hosts: {a: {manager: true}}}",
            "hosts.a.manager: is for a swarm\n  -> remove it, or say `backend: swarm`",
        ),
        (
            "{swarm: {managers: 1}, hosts: {a: {manager: true}, b: {manager: true}}}",
            "swarm.managers: is 1, and 2 hosts are marked with `manager: true`: a, b\n"
            "  -> mark fewer hosts, or leave `managers` out: the marked hosts are the managers then",
        ),
        ("hosts: {a: {manager: 1}}", "hosts.a.manager: input should be a valid boolean, not 1"),
    ],
)
def test_hosts_that_are_marked_for_what_is_not_there_are_refused(text, said):
    with pytest.raises(InventoryError) as caught:
        parse(text)
    assert str(caught.value) == whole(said)


@given(st.text(max_size=60) | st.text("{}[]:,-?!&*<>|'\"%@ \nab1~", max_size=30))
@example("a: " + "[" * 3000)
@example("a: 0b2\nb: 2001-13-41")
@example("!!binary x: 1")
@example("\0")
@example("x: 0o8\n<<: [1]")
def test_no_text_breaks_the_parser(text):
    try:
        parse(text)
    except UsageError:
        return


@given(INVENTORIES | VALUES)
def test_no_structure_breaks_the_parser(data):
    try:
        parse(yaml.safe_dump(data))
    except UsageError:
        return


@given(st.text(max_size=30) | st.text("ab@[]:.,% 0123456789", max_size=20))
def test_no_host_of_the_command_line_breaks_the_parser(text):
    try:
        host = parse_host(text)
    except UsageError:
        return
    assert host.name
    assert host.access.address


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("hosts:\n  a: {address: 1.2.3.4}\n  b:\n", (2, 2)),
        ("hosts:\n  b:\n  a:\n", (3, 3)),
        ("hosts:\n  b:\n  a:", (3, 3)),
        ("hosts:\n  a:\n    address: x\n    zone: y\n\n  # the next\n  b:\n", (2, 4)),
        ("hosts:\n  a:\n    address: x\n", (2, 3)),
        ("hosts:\n  a:\n    address: x", (2, 3)),
        ("hosts:\n  a:\n    address: x\n\nstore: {servers: 1}\n", (2, 3)),
        ("hosts: {b: , a: {address: x,\n  zone: y}, c: }\n", (1, 2)),
        ("hosts:\n  b: &b {zone: y}\n  a: *b\n", None),
        ("hosts:\n  b:\n", None),
        ("store: {}\n", None),
        ("[]\n", None),
        ("", None),
    ],
)
def test_the_lines_of_a_host_are_found(text, lines):
    assert lines_of(text, "a") == lines
