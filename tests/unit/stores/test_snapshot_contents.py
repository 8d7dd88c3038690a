"""The keys in a Consul snapshot are read out of it; what is none of it is refused."""

from __future__ import annotations

from pathlib import Path

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.contract.fakes import snapshot

from overweave.errors import UsageError
from overweave.stores.snapshot_contents import Contents, read

REAL = Path(__file__).parent / "captured/20261122T052555Z-index121-consul1.8.7.snap"
HEAD = msgpack.packb({"LastIndex": 9})


def record(kind, value):
    return bytes([kind]) + msgpack.packb(value, use_bin_type=False)


def test_a_snapshot_of_a_consul_that_ran_tells_its_keys_and_nodes():
    found = read(REAL.read_bytes(), "docker/")
    assert found.nodes == ("host1", "host2", "host3")
    assert found.keys["docker/nodes/10.96.0.11:2376"] == b"10.96.0.11:2376"
    assert len([key for key in found.keys if "/network/v1.0/endpoint/" in key and key.count("/") > 5]) == 3


def test_only_keys_under_the_prefix_are_taken_and_unknown_records_are_passed_over():
    state = (
        HEAD
        + record(0, {"Node": "n1", "Service": None})
        + record(255, ["what", {"is": "this"}])
        + record(2, {"Key": "docker/a", "Value": b"1", "Flags": 0})
        + record(2, {"Key": "docker/none", "Value": None})
        + record(2, {"Key": "other/a", "Value": b"2"})
        + record(0, {"Node": "n1", "Check": {}})
    )
    assert read(snapshot(state), "docker/") == Contents({"docker/a": b"1", "docker/none": b""}, ("n1",))


@pytest.mark.parametrize(
    "state",
    [
        b"",
        HEAD + b"\x02",
        HEAD + record(2, {"Key": "docker/a"}),
        HEAD + record(2, ["no", "map"]),
        HEAD + record(0, {"Node": 7}),
        HEAD + b"\x02" + b"\x91" * 5000,
        HEAD + b"\x02" + b"\xdf\xff\xff\xff\xff",
        HEAD + b"\x02" + b"\xdb\x7f\xff\xff\xff",
        HEAD + b"\x02\xc1",
    ],
)
def test_what_makes_no_sense_is_refused(state):
    with pytest.raises(UsageError) as caught:
        read(snapshot(state), "docker/")
    assert str(caught.value).startswith("what is in the Consul snapshot can't be told: ")
    assert str(caught.value).endswith("\n  -> please report this with the version of Consul that made it")


@given(st.binary(max_size=200))
def test_no_state_breaks_the_reader(state):
    try:
        read(snapshot(HEAD + state), "")
    except UsageError:
        return
