"""What `fab backends` says where nothing fits all hosts."""

from __future__ import annotations

import pytest
from tests.unit.report.test_backends import DEBIAN_12, NEW, OLD, found

from overweave.cli.backends import _refused

OLD_ONES = "upgrade those engines, or make an overlay of the others alone"
SETTING = "take live-restore out of their daemon.json, or make an overlay of the others alone"


@pytest.mark.parametrize(
    ("changes", "said", "hint"),
    [
        ((NEW, OLD), "no backend fits all hosts: host1 can't have consul", OLD_ONES),
        ((NEW, OLD, DEBIAN_12), "no backend fits all hosts: host1, host3 can't have consul", OLD_ONES),
        ((DEBIAN_12, {"live_restore": True}), "no backend fits all hosts: host2 can't have swarm", SETTING),
        (({}, {"installed": False}), "no backend fits all hosts: host2 can't have consul", OLD_ONES),
    ],
)
def test_the_hosts_in_the_way_are_named_with_what_they_can_not_have(changes, said, hint):
    refused = _refused(found(*changes))
    assert str(refused) == f"{said}\n  -> {hint}"
    assert refused.exit_code == 4
