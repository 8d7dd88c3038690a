"""The pages of docs/scenarios on one host and two: every command in them is run, and says what the page says.

Those of overlays are in the tests that have one: test_deploy.py, test_etcd.py and test_swarm.py.
"""

from __future__ import annotations

import pytest
from tests.lab.bed import as_made
from tests.lab.pages import walk

pytestmark = pytest.mark.lab

HOSTS = ("host1", "host2")
REMOVE = "docker ps -aq | xargs -r docker rm -f; docker network prune -f"
"""For what a page that was broken off has left."""
STRAY = "for its in /var/run/docker/netns/*; do umount $its || true; rm -f $its; done"
"""Sandboxes of containers whose engine was killed, by tests before: `fab networks --tree` shows them. Of some
nothing is mounted any more."""


@pytest.fixture(scope="module")
def loaded(bed):
    """Clean hosts, which have the image that the pages need."""
    bed.make_clean()
    for name in HOSTS:
        bed.do(name, STRAY)
    return bed


@pytest.fixture
def hosts(loaded):
    yield loaded
    loaded.mend()


@pytest.mark.parametrize(
    "page",
    [
        "default-bridge",
        "user-defined-bridge",
        "two-bridges",
        "published-port",
        "host-container-none",
        "macvlan",
    ],
)
def test_a_page_says_what_hosts_say_and_leaves_nothing(hosts, page):
    before = as_made(hosts.state())
    hosts.undo.append(lambda: [hosts.do(name, REMOVE) for name in HOSTS])
    walk(hosts, page)
    hosts.undo.pop()
    assert as_made(hosts.state()) == before
