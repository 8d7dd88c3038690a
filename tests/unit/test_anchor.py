"""The container that keeps a host in the overlay."""

from __future__ import annotations

from dataclasses import replace

from tests.golden.site import Site

from overweave import anchor
from overweave.model import SPEC_LABEL, Images

FLEET = Site().fleet


def test_an_anchor_restarts_with_its_engine_ends_at_once_and_is_on_the_network_only():
    spec = anchor.spec(FLEET)
    assert spec["Image"] == "busybox:1.36"
    assert spec["StopSignal"] == "SIGKILL"
    assert spec["HostConfig"] == {"NetworkMode": "overweave", "RestartPolicy": {"Name": "always"}}
    assert list(spec["NetworkingConfig"]["EndpointsConfig"]) == ["overweave"]


def test_its_digest_changes_with_the_network_and_the_image_and_its_name_with_network_and_host():
    digest = anchor.spec(FLEET)["Labels"][SPEC_LABEL]
    assert digest == anchor.spec(FLEET)["Labels"][SPEC_LABEL]
    others = (
        replace(FLEET, network=replace(FLEET.network, name="blue")),
        replace(FLEET, images=Images("busybox:2")),
    )
    assert digest not in {anchor.spec(other)["Labels"][SPEC_LABEL] for other in others}
    assert anchor.name(FLEET, "fd00::1") == "overweave-anchor-overweave-fd00--1"
