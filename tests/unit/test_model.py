"""Names and choices of the wanted state."""

from __future__ import annotations

import pytest

from overweave.model import Access, Fleet, Host, container_name, tagged


@pytest.mark.parametrize(
    ("image", "listed"),
    [
        ("busybox", "busybox:latest"),
        ("busybox:1.36", "busybox:1.36"),
        ("registry:5000/team/consul", "registry:5000/team/consul:latest"),
        ("registry:5000/team/consul:1", "registry:5000/team/consul:1"),
    ],
)
def test_an_image_as_the_engine_lists_it(image, listed):
    assert tagged(image) == listed


def test_the_store_is_on_the_marked_host_else_on_the_first():
    hosts = [Host(n, Access(n)) for n in "ab"]
    assert Fleet(tuple(hosts)).store_host.name == "a"
    assert Fleet((hosts[0], Host("b", Access("b"), store=True))).store_host.name == "b"


def test_container_names_take_no_colons():
    assert container_name("probe-1", "fd00::1") == "probe-1-fd00--1"
