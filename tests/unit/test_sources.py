"""What other tools know of hosts becomes a fleet; the texts are what the tools really print."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from overweave import inventory, inventory_sections, sources
from overweave.errors import UsageError
from overweave.inventory import parse, parse_listed
from overweave.model import Access, Host

HOME = Path.home()
EXAMPLE = Path(__file__).parents[2] / "inventory/example.yml"

ANSIBLE = """\
{
    "_meta": {
        "hostvars": {
            "web1": {
                "ansible_host": "10.0.0.11",
                "ansible_port": 2222,
                "ansible_user": "ops",
                "overweave_zone": "rack1"
            },
            "web2": {
                "ansible_host": "10.0.0.12",
                "ansible_ssh_private_key_file": "~/.ssh/web",
                "overweave_zone": "rack1"
            }
        },
        "profile": "inventory_legacy"
    },
    "all": {
        "children": ["ungrouped", "web", "db", "overweave_store"]
    },
    "db": {
        "hosts": ["db1"]
    },
    "overweave_store": {
        "hosts": ["web1"]
    },
    "web": {
        "hosts": ["web1", "web2"]
    }
}
"""
VAGRANT = """\
Host host1
  HostName 192.168.121.88
  User vagrant
  Port 22
  UserKnownHostsFile /dev/null
  StrictHostKeyChecking no
  PasswordAuthentication no
  IdentityFile /srv/vm/.vagrant/machines/host1/libvirt/private_key
  IdentitiesOnly yes
  LogLevel FATAL

Host host2
  HostName 127.0.0.1
  User vagrant
  Port 2200
  UserKnownHostsFile "/srv/vm/known_hosts"
"""
SSH_CONFIG = """\
# mine

Host *.internal !bad
    User nobody
Host web db
    User=ops
    User second
Match host web
    Port 9
Host db
    HostName 10.0.0.9
"""
LISTED = """\
{"Current":true,"Description":"","DockerEndpoint":"unix:///var/run/docker.sock","Error":"","Name":"default"}
{"Current":false,"Description":"","DockerEndpoint":"ssh://ops@10.0.0.5:2222","Error":"","Name":"web"}
{"Current":false,"Description":"","DockerEndpoint":"ssh://db.example","Error":"","Name":"db"}
"""
INSPECTED = json.dumps(
    [
        {
            "Name": "web",
            "Metadata": {},
            "Endpoints": {"docker": {"Host": "ssh://ops@10.0.0.5:2222", "SkipTLSVerify": False}},
            "TLSMaterial": {},
            "Storage": {"MetadataPath": "/x", "TLSPath": "/y"},
        }
    ]
)
WEB = Host("web", Access("10.0.0.5", "ops", 2222))


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        (
            ANSIBLE,
            (
                Host("web1", Access("10.0.0.11", "ops", 2222), store=True, zone="rack1"),
                Host("web2", Access("10.0.0.12", key=HOME / ".ssh/web"), zone="rack1"),
                Host("db1", Access("db1")),
            ),
        ),
        (
            VAGRANT,
            (
                Host(
                    "host1",
                    Access(
                        "192.168.121.88",
                        "vagrant",
                        22,
                        Path("/srv/vm/.vagrant/machines/host1/libvirt/private_key"),
                    ),
                ),
                Host("host2", Access("127.0.0.1", "vagrant", 2200, known_hosts=Path("/srv/vm/known_hosts"))),
            ),
        ),
        (SSH_CONFIG, (Host("web", Access("web", "ops")), Host("db", Access("10.0.0.9", "ops")))),
        (LISTED, (WEB, Host("db", Access("db.example")))),
        (INSPECTED, (WEB,)),
    ],
)
def test_what_a_tool_prints_is_a_fleet(text, hosts, tmp_path):
    assert parse(text).hosts == hosts
    assert parse_listed(text).hosts == hosts
    file = tmp_path / "hosts"
    file.write_text(text)
    assert inventory.load(file).hosts == hosts
    assert inventory.lines_of(text, hosts[0].name) is None, "nobody is told to remove a line of it"


def test_groups_of_ansible_may_be_in_one_another_and_one_named_overweave_chooses():
    groups = {
        "all": {"children": ["a", "other"]},
        "a": {"children": ["b"], "hosts": ["one"]},
        "b": {"children": ["a"], "hosts": ["two", "one"]},
        "other": {"hosts": ["three"]},
    }
    assert parse(json.dumps({"_meta": {"hostvars": {}}} | groups)).names == ("one", "two", "three")
    chosen = {"overweave": {"children": ["other"]}, "overweave_manager": {"hosts": ["three", "one"]}}
    (only,) = parse(json.dumps({"_meta": {}} | groups | chosen)).hosts
    assert (only.name, only.manager) == ("three", True)


def test_standard_input_may_be_one_host_in_a_line_or_an_inventory():
    assert parse_listed("# mine\nweb\n\nops@10.0.0.2:2222  # the other\n[fe80::1]\n").hosts == (
        Host("web", Access("web")),
        Host("10.0.0.2", Access("10.0.0.2", "ops", 2222)),
        Host("fe80::1", Access("fe80::1")),
    )
    assert parse_listed("hosts: {a: }").names == ("a",)
    assert parse_listed("hosts:\n  a:\n").names == ("a",)


def ansible(**variables):
    return json.dumps({"_meta": {"hostvars": {"a": variables}}, "all": {"hosts": ["a"]}})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            ansible(ansible_connection="local"),
            "hosts.a.ansible_connection: is 'local', and hosts are reached by ssh\n"
            "  -> leave it out: with a group `overweave`, only that group's hosts are taken",
        ),
        (
            ansible(ansible_host="{{ it }}"),
            "hosts.a.ansible_host: is a template, which ansible-inventory leaves as it is\n"
            "  -> give the host a plain value",
        ),
        (
            LISTED.splitlines()[0],
            "no context has an engine that is reached by ssh\n"
            "  -> `docker context ls` shows their addresses, which must begin with ssh://",
        ),
        (
            LISTED.replace("2222", "99999"),
            "hosts.web: 'ssh://ops@10.0.0.5:99999' is no address of an engine: Port out of range 0-65535",
        ),
        ("a\nb\na\n", "host given twice: a\n  -> name each host once"),
        ("", "there is nothing\n  -> pipe an inventory in, or one host in a line"),
    ],
)
def test_what_can_not_be_used_is_told(text, said):
    with pytest.raises(UsageError) as caught:
        parse_listed(text)
    assert str(caught.value) == (said if "\n  -> " in said else f"{said}\n  -> see inventory/example.yml")


def test_a_line_that_is_no_host_is_told():
    with pytest.raises(UsageError, match="'a@@b' is not a host"):
        parse_listed("x\na@@b\n")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(JSON, JSON, JSON)
def test_whatever_such_a_tool_says_ends_in_a_fleet_or_in_an_error_of_ours(one, two, three):
    for data in (
        {"_meta": one, "all": two},
        {"_meta": {"hostvars": {"a": one}}, "all": {"hosts": ["a", two], "children": three}},
        [{"Name": one, "Endpoints": two, "DockerEndpoint": three}],
        {"Name": one, "Endpoints": {"docker": {"Host": two}}},
    ):
        try:
            found = sources.recognise(json.dumps(data))
            assert found is None or isinstance(found["hosts"], dict)
            parse(json.dumps(data))
        except UsageError:
            pass


def test_the_schema_takes_the_example_and_no_unknown_key():
    schema = inventory_sections.schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    example = yaml.safe_load(EXAMPLE.read_text())
    jsonschema.validate(example, schema)
    for wrong in ({"hosts": {}}, {"hosts": {"a": {"adress": "x"}}}, example | {"netwrok": {}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)
