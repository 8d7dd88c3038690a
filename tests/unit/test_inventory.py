"""Text to `Fleet`: what is read, what is refused, and in which words."""

from __future__ import annotations

import string
from ipaddress import IPv4Network
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from overweave.errors import InventoryError, UsageError
from overweave.inventory import choose, load, parse, parse_host
from overweave.model import Access, Archive, Fleet, Host, Images, Network, Store

EXAMPLE = Path(__file__).parents[2] / "inventory" / "example.yml"
SEE = "\n  -> see inventory/example.yml"


def test_the_example_inventory_says_what_its_comments_say():
    key, known = Path("~/.ssh/id_ed25519").expanduser(), Path("~/.ssh/known_hosts").expanduser()
    assert load(EXAMPLE) == Fleet(
        hosts=(
            Host("web1", Access("10.0.0.11", "ops", 22, key, known), store=True),
            Host("web2", Access("10.0.0.12", "ops", 22, key, known), advertise="eth1"),
            Host("web3", Access("10.0.0.13", "admin", 2222, key, known)),
        ),
        network=Network("overweave", IPv4Network("10.211.0.0/16"), 1500, {}),
        store=Store("consul", "hashicorp/consul:1.15.4", 8500, {"log_level": "warn"}),
        images=Images("busybox:1.36", {}),
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
            "  -> known keys: user, port, key, known_hosts, address, advertise, store",
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
            "hosts: {a: {store: true}, b: {store: true}}",
            "hosts: a and b are both marked 'store: true'\n  -> keep one of them",
        ),
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
        ("{hosts: {a: }, store: {kind: etcd}}", "store.kind: input should be 'consul', not 'etcd'"),
        ("{hosts: {a: }, store: {image: 'A b'}}", "store.image: 'A b' is not allowed here" + SEE),
        (
            "{hosts: {a: }, network: {options: {com.docker.network.driver.mtu: '1400'}}}",
            "network.options.com.docker.network.driver.mtu: is set by `network: mtu:`\n  -> give it there",
        ),
        (
            "{hosts: {a: }, network: {options: {encrypted: ''}}}",
            "network.options.encrypted: works in Swarm mode only: "
            "with a cluster store containers fail to join\n  -> remove it",
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
    assert str(caught.value) == message
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
        key: st.dictionaries(KEYS, VALUES, max_size=4) for key in ("ssh", "network", "store", "images")
    },
)


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
