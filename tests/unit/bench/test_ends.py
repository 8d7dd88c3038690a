"""Where a container is, from an engine that may say anything."""

from __future__ import annotations

import pytest

from overweave.bench.ends import container_end


def container(pid, networks):
    return {"State": {"Pid": pid}, "NetworkSettings": {"Networks": networks}}


@pytest.mark.parametrize(
    ("raw", "end"),
    [
        (container(41, {"net": {"IPAddress": "10.211.0.2"}}), (41, "10.211.0.2")),
        (container(41, {"other": {"IPAddress": "10.211.0.2"}}), (41, "")),
        (container(0, {"net": {"IPAddress": ""}}), (0, "")),
        (container(41, None), (41, "")),
    ],
)
def test_process_and_address(raw, end):
    assert container_end(raw, "net") == end


@pytest.mark.parametrize(
    "raw",
    [
        {},
        container("41", {}),
        container(-1, {}),
        container(True, {}),
        container(41, {"net": {"IPAddress": "10.211.0.2 -j"}}),
        container(41, {"net": {"IPAddress": 5}}),
        container(41, {"net": "x"}),
        [],
    ],
)
def test_what_makes_no_sense_is_refused(raw):
    with pytest.raises((ValueError, LookupError, TypeError, AttributeError)):
        container_end(raw, "net")
