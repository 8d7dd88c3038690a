"""The backups that a host keeps, and the timer that makes them: what is believed of what it says."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from tests.unit.facts.streams import Place

from overweave.command import Result
from overweave.errors import ConnectionProblem, UsageError
from overweave.facts import backup_unit
from overweave.facts.backup_unit import QUERIES, SCRIPT, SERVICE_FILE, BackupUnit
from overweave.facts.backups import Kept, fetch, look, parse_name
from overweave.stores.snapshot import LONGEST

NAME = "20261122T052555Z-index121-consul1.8.7.snap"
MADE = datetime(2026, 11, 22, 5, 25, 55, tzinfo=UTC)
KEPT = Kept(NAME, MADE, 121, "1.8.7")


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".new",
        "20261322T052555Z-index121-consul1.8.7.snap",
        f"x{NAME}",
        f"{NAME}\n",
        NAME.replace("121", "1" * 19),
        "../" + NAME,
    ],
)
def test_other_names_are_none_of_a_backup(name):
    assert parse_name(name) is None


def test_a_name_tells_when_and_where_raft_was():
    assert parse_name(NAME) == KEPT


class Answers(Place):
    def __init__(self, text):
        super().__init__()
        self.text = text

    def ask(self, *queries):
        return tuple(Result(query, 0, self.text, "") for query in queries)


def test_what_a_host_lists_is_taken_line_by_line():
    text = f"4203 {NAME}\nnonsense\n7 20269999T000000Z-index1-consul1.snap\nx {NAME}\n"
    assert look(Answers(text), "/b") == (Kept(NAME, MADE, 121, "1.8.7", 4203), KEPT)


def test_one_is_read_to_its_end():
    place = Place(b"abc", b"def")
    assert fetch(place, "/b", NAME) == b"abcdef"
    assert place.command.words == ("cat", f"/b/{NAME}")
    assert not place.said.open


def test_one_that_is_not_there_or_has_no_end_or_breaks_off_is_told():
    with pytest.raises(UsageError) as missing:
        fetch(Place(), "/b", NAME)
    assert str(missing.value) == (
        f"there is no backup {NAME} in /b on host1\n  -> `fab store-backups` lists those that are there"
    )
    with pytest.raises(UsageError) as endless:
        fetch(Place(*([b"x" * (1 << 20)] * (LONGEST // (1 << 20) + 1))), "/b", NAME)
    assert str(endless.value) == (
        f"{NAME} on host1: it is longer than any backup\n  -> `fab store-backups` lists all backups"
    )
    with pytest.raises(ConnectionProblem) as broken:
        fetch(Place(b"x", TimeoutError("timed out")), "/b", NAME)
    assert str(broken.value) == (
        f"host1: reading /b/{NAME} broke off: timed out\n  -> run the same command again"
    )


@pytest.mark.parametrize(
    ("timer", "service", "newest", "found"),
    [
        (
            "LastTriggerUSec=Sun 2026-11-22 05:25:52 UTC\nUnitFileState=enabled\nActiveState=active\n",
            "InactiveEnterTimestampMonotonic=5432\nResult=success\n",
            f"1795325155\n/b\n{NAME}\n",
            BackupUnit({}, True, False, True, "/b", KEPT, MADE),
        ),
        (
            # As after a boot: it has started none yet.
            "LastTriggerUSec=Sun 2026-11-22 05:25:52 UTC\nUnitFileState=enabled\nActiveState=inactive\n",
            "InactiveEnterTimestampMonotonic=0\nResult=exit-code\n",
            "1795325155\n/b\n\n",
            BackupUnit({}, failed=True, folder="/b", now=MADE),
        ),
        (
            "LastTriggerUSec=n/a\nUnitFileState=enabled\nActiveState=active\n",
            "InactiveEnterTimestampMonotonic=5432\nResult=success\n",
            "1795325155\n/b\n\n",
            BackupUnit({}, True, folder="/b", now=MADE),
        ),
        ("nonsense", "", "", BackupUnit()),
        ("", "", f"{1 << 40}\n\n", BackupUnit()),
    ],
)
def test_how_the_timer_of_a_host_is(timer, service, newest, found):
    said = (f"{newest}{timer}\n{service}", "script", "", "unit")
    results = [Result(query, 0, text, "") for query, text in zip(QUERIES, said, strict=True)]
    its = backup_unit.parse(results)
    assert its.files == {SCRIPT: "script", SERVICE_FILE: "unit"}
    assert (its.runs, its.failed, its.ended, its.folder, its.newest, its.now) == (
        found.runs,
        found.failed,
        found.ended,
        found.folder,
        found.newest,
        found.now,
    )
