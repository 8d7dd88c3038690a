"""Names, addresses and arguments of a lab."""

from __future__ import annotations

import json
from ipaddress import IPv4Network

import pytest

from overweave.errors import LabUnavailable, UsageError
from overweave.lab import Lab, network
from overweave.lab.lab import no_lab
from overweave.lab.spec import Spec, cache_root, check_name, parse_subnet, state_root


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("OVERWEAVE_LAB_STATE", str(tmp_path))
    return tmp_path


def spec(**changes):
    return Spec(
        **{
            "name": "longname",
            "engines": ("20.10-consul", "26"),
            "subnet": "10.97.0.0/16",
            "count": 999,
            "images": ("/cache/bullseye", "/cache/trixie"),
            "cgroups": ("/sys/fs/cgroup/overweave-longname",),
            **changes,
        }
    )


def test_interface_names_fit_the_kernel_and_differ():
    names = {spec().bridge, *(make(n) for n in spec().numbers for make in (spec().veth, spec().plug))}
    assert len(names) == 1 + 2 * 999
    assert max(map(len, names)) <= 15


def test_addresses_begin_at_eleven():
    assert (str(spec().gateway), str(spec().address(1))) == ("10.97.0.1", "10.97.0.11")
    assert str(spec().address(999)) == "10.97.3.241"


def test_a_spec_survives_the_process(state):
    spec().save()
    assert Spec.read("longname") == spec()
    assert [lab.name for lab in Lab.all()] == ["longname"]
    text = json.loads((state / "longname/lab.json").read_text())
    assert (text["version"], text["count"]) == (2, 999)
    assert [path.name for path in (state / "longname").iterdir()] == ["lab.json"]


def test_hosts_take_the_engines_in_turn():
    hosts = Lab(spec(count=3)).hosts
    assert [host.engine for host in hosts] == ["20.10-consul", "26", "20.10-consul"]
    assert [str(spec().image(n)) for n in (1, 2, 3)] == [
        "/cache/bullseye",
        "/cache/trixie",
        "/cache/bullseye",
    ]


def write(state, **found):
    (state / "longname").mkdir()
    (state / "longname/lab.json").write_text(json.dumps(found))


def test_a_lab_of_the_time_before_engines_is_read(state):
    write(
        state,
        name="longname",
        suite="bullseye",
        subnet="10.97.0.0/16",
        count=2,
        image="/cache/bullseye",
        cgroups=["/sys/fs/cgroup/overweave-longname"],
    )
    assert Spec.read("longname") == spec(count=2, engines=("20.10-consul",), images=("/cache/bullseye",))


def test_a_lab_of_a_later_version_is_refused(state):
    write(state, version=3, name="longname")
    with pytest.raises(LabUnavailable) as caught:
        Lab.load("longname")
    assert str(caught.value) == (
        "lab 'longname' was made by a later Overweave: lab.json has version 3, not 2\n"
        "  -> use that Overweave, also to take it down"
    )


@pytest.mark.parametrize("name", ["", "Lab", "1lab", "my-lab", "longerthan", "lab/..", "a b"])
def test_a_name_that_no_interface_could_have_is_refused(name):
    with pytest.raises(UsageError) as caught:
        check_name(name)
    assert str(caught.value) == (
        f"'{name}' can't be the name of a lab\n"
        "  -> 1 to 8 lower-case letters and digits, a letter first: interface names are made of it"
    )


@pytest.mark.parametrize("count", [0, 245])
def test_a_subnet_has_only_so_much_room(count):
    with pytest.raises(UsageError) as caught:
        spec(subnet="10.97.0.0/24", count=count)
    assert str(caught.value) == (
        f"a lab in 10.97.0.0/24 has 1 to 244 hosts, not {count}\n"
        "  -> take fewer with --hosts, or a larger --subnet"
    )


def test_a_subnet_that_is_none_is_refused():
    with pytest.raises(UsageError) as caught:
        parse_subnet("10.97.0.1/24")
    assert str(caught.value) == (
        "'10.97.0.1/24' can't be the subnet of a lab: 10.97.0.1/24 has host bits set\n  -> as in 10.96.1.0/24"
    )


def test_a_lab_that_is_not_there():
    with pytest.raises(UsageError) as caught:
        Lab.load("t9")
    assert caught.value.message == "there is no lab 't9'"


@pytest.mark.parametrize(
    ("there", "hint"),
    [((), "`fab lab.up` makes one"), (("six", "t1"), "there is six, t1: choose with --name")],
)
def test_where_a_lab_is_not_there_those_that_are_are_named(there, hint):
    assert str(no_lab("lab", there)) == f"there is no lab 'lab'\n  -> {hint}"


def test_a_host_that_is_not_there():
    with pytest.raises(UsageError) as caught:
        Lab(spec(count=3)).host("web1")
    assert str(caught.value) == "lab 'longname' has no host 'web1'\n  -> it has host1 to host3"


def test_folders_that_would_spoil_mount_options_are_refused(monkeypatch):
    monkeypatch.setenv("OVERWEAVE_LAB_CACHE", "/a,b")
    with pytest.raises(UsageError) as caught:
        cache_root()
    assert str(caught.value) == (
        "OVERWEAVE_LAB_CACHE is '/a,b'\n"
        "  -> an absolute path of letters, digits and . _ - is needed: mount options are made of it"
    )
    monkeypatch.delenv("OVERWEAVE_LAB_CACHE")
    monkeypatch.delenv("OVERWEAVE_LAB_STATE")
    assert (str(cache_root()), str(state_root())) == ("/var/cache/overweave/lab", "/var/lib/overweave/lab")


def test_the_next_free_subnet_is_taken():
    promised = [IPv4Network("10.96.0.0/17"), IPv4Network("10.96.128.0/24")]
    used = network.used_subnets()
    free = network.free_subnet(None, promised)
    assert free.subnet_of(IPv4Network("10.96.128.0/17"))
    assert not any(other.overlaps(free) for other in [*promised, *used])


def test_a_subnet_in_use_is_refused():
    with pytest.raises(LabUnavailable) as caught:
        network.free_subnet(IPv4Network("127.0.0.0/24"), [])
    assert str(caught.value) == (
        "127.0.0.0/24 is in use: this machine or a lab has 127.0.0.0/8\n  -> give the lab another subnet"
    )
