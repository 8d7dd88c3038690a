"""What can carry an overlay on each host: on a terminal of 80 columns, and to programs."""

from __future__ import annotations

import io
import json

import pytest
from tests.golden.site import Site, inventory_of

from overweave.backend import abilities
from overweave.report import data, text
from overweave.report.text import SafeConsole

NEW = {"version": "26.1.5+dfsg1"}
DEBIAN_12 = {"version": "20.10.24+dfsg1", "speaks_consul": False}
OLD = {"version": "1.12.6"}


def found(*changes):
    """Of hosts with these changes."""
    site = Site(inventory_of(len(changes)))
    for box, its in zip(site.boxes.values(), changes, strict=True):
        for key, value in its.items():
            assert hasattr(box, key)
            setattr(box, key, value)
    return abilities(site.fleet, site.facts().hosts)


def shown(result, width=100):
    file = io.StringIO()
    SafeConsole(file=file, width=width).print(text.backends(result))
    return "".join(f"{line.rstrip()}\n" for line in file.getvalue().splitlines())


def test_hosts_that_can_have_all():
    assert shown(found({}, {})) == (
        "host   engine         consul  etcd  swarm  uses\n"
        "host1  20.10.5+dfsg1  yes     yes   yes    -\n"
        "host2  20.10.5+dfsg1  yes     yes   yes    -\n"
        "auto: consul, for all engines have a cluster store\n"
    )


def test_why_an_engine_can_not_is_told_beside_it():
    live = {"live_restore": True}
    assert shown(found(live, {"member": {"state": "active", "node": "n"}}), 120) == (
        "host   engine         consul  etcd  swarm                               uses\n"
        "host1  20.10.5+dfsg1  yes     yes   no: live-restore, which forbids it  -\n"
        "host2  20.10.5+dfsg1  yes     yes   yes                                 swarm\n"
        "auto: swarm, for host2 is in a swarm already\n"
    )


def test_a_narrow_terminal_shows_all_of_it():
    lines = shown(found(DEBIAN_12, {"installed": False}), 80)
    assert " ".join(lines.split()) == (
        "host engine consul etcd swarm uses host1 20.10.24+dfsg1 no: Docker yes yes - 20.10.24+dfsg1, built "
        "without Consul host2 no Docker no: Docker is no: Docker is no: Docker is - not installed: not "
        "installed: not installed: there is no there is no there is no dockerd dockerd dockerd auto: swarm, "
        "for host1 has Docker 20.10.24+dfsg1, built without Consul"
    )
    assert max(map(len, lines.splitlines())) <= 80


def test_where_nothing_fits_all_that_is_told():
    assert shown(found(NEW, OLD), 160).splitlines()[-1] == "auto: consul, for no backend fits all engines"


def test_what_an_engine_says_can_not_move_the_cursor():
    seen = shown(found({"version": "26.\x1b[2J" + "1" * 200, "live_restore": True}), 300)
    assert "\x1b" not in seen
    assert "26. [2J" in seen


def test_programs_read_who_can_have_what_and_why_not():
    result = data.backends(found(NEW, OLD))
    assert json.loads(json.dumps(result)) == result | {"hosts": list(result["hosts"])}
    assert result == {
        "version": 1,
        "kind": "backends",
        "fits": False,
        "hosts": (
            {
                "host": "host1",
                "engine": "26.1.5+dfsg1",
                "cannot": dict.fromkeys(("consul", "etcd"), "Docker 26.1.5+dfsg1, without a cluster store"),
                "uses": "",
            },
            {
                "host": "host2",
                "engine": "1.12.6",
                "cannot": {"swarm": "Docker 1.12.6, without attachable networks"},
                "uses": "",
            },
        ),
        "chosen": "consul",
        "why": "no backend fits all engines",
    }


@pytest.mark.parametrize(
    ("changes", "fits", "chosen"),
    [
        (({}, {}), True, "consul"),
        ((NEW, {}), True, "swarm"),
        ((DEBIAN_12, {"live_restore": True}), False, "swarm"),
        ((NEW, OLD), False, "consul"),
        (({"installed": False}, {}), False, "consul"),
    ],
)
def test_programs_read_whether_it_fits_all_hosts(changes, fits, chosen):
    result = data.backends(found(*changes))
    assert (result["fits"], result["chosen"]) == (fits, chosen)
