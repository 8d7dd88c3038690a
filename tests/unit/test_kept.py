"""One of the backups that a host keeps: what names it, and what it is refused for."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from tests.unit.facts.streams import Place
from tests.unit.facts.test_backups import Answers
from tests.unit.stores.test_snapshot_contents import REAL

from overweave import kept
from overweave.errors import UsageError
from overweave.facts.backups import parse_name
from overweave.model import Fleet
from overweave.report import store_data

FOLDER = "/var/backups/overweave"


def session(**hosts):
    return SimpleNamespace(fleet=Fleet(()), hosts=hosts, progress=lambda host, what: None)


class Keeps(Answers):
    """A host with one backup."""

    def __init__(self, saved):
        Place.__init__(self, saved)
        self.text = f"{len(saved)} {REAL.name}\n" if saved else ""


def refused(host, name, **hosts):
    with pytest.raises(UsageError) as caught:
        kept.get(session(**hosts), host, name)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (f"host1:{REAL.name}", ("host1", REAL.name)),
        ("host1:newest", ("host1", "newest")),
        (f"fe80::1:{REAL.name}", ("fe80::1", REAL.name)),
        ("store.tar", None),
        ("host1:store.tar", None),
        (f"/b/host1:{REAL.name}", None),
        (f"host1:../{REAL.name}", None),
    ],
)
def test_what_names_a_backup_on_a_host(text, place):
    assert kept.place(text) == place


@pytest.mark.parametrize("name", [REAL.name, "newest"])
def test_one_is_read_with_what_its_name_tells(name):
    found = kept.get(session(host1=Keeps(REAL.read_bytes())), "host1", name)
    assert (found.about.consul, found.about.index) == ("1.8.7", 121)
    assert found.snapshot == REAL.read_bytes()


def test_what_is_not_there_or_damaged_is_refused():
    see = "\n  -> `fab store-backups` lists all backups"
    assert refused("host9", "newest") == f"host9:newest: host9 is none of the hosts given{see}"
    assert refused("a", "newest", a=Keeps(b"")) == f"there is no backup in {FOLDER} on a{see}"
    assert refused("a", REAL.name, a=Keeps(b"none")).startswith(f"a:{REAL.name}: it is no Consul snapshot: ")


def test_all_of_them_for_programs():
    one = parse_name(REAL.name, 4203)
    assert store_data.backups({"host1": (one,), "host2": ()}, FOLDER) == {
        "version": 1,
        "kind": "store-backups",
        "folder": FOLDER,
        "backups": [
            {
                "host": "host1",
                "name": REAL.name,
                "made": "2026-11-22T05:25:55.000Z",
                "index": 121,
                "consul": "1.8.7",
                "size": 4203,
            }
        ],
    }
