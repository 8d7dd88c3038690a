"""What is asked, and answered, about hosts that nobody knows any more."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from overweave.cli import doctor
from overweave.doctor.fault import Checkup, Fault
from overweave.errors import UsageError
from overweave.preflight.finding import error
from overweave.steps import DisconnectEndpoint

STEPS = tuple(DisconnectEndpoint("host1", "", n * 64, f"app{n}", "a", "overweave", "10.0.0.13") for n in "12")
FOUND = Checkup(("host1",), tuple(Fault(error("endpoints.stale", ""), (step,)) for step in STEPS), 0.0)


def test_the_question_names_the_host_the_endpoints_and_what_comes_of_it():
    assert doctor.question("10.0.0.13", STEPS) == (
        "The host at 10.0.0.13 was not asked, and neither store nor gossip know it now. Disconnect its "
        "endpoints app1 (overweave), app2 (overweave); should that host come back, stop its engine, remove "
        "/var/lib/docker/network/files/local-kv.db, and start it: no container could join there else. "
        "Is it true that the host at 10.0.0.13 does not come back?"
    )


def untold(found):
    raise AssertionError("nobody is asked")


AT_A_TERMINAL = """\
from tests.unit.cli.test_doctor import FOUND, doctor
told = []
assert doctor.leaving([], yes=False, tell=told.append)(FOUND) == frozenset()
assert told == [FOUND]
"""


def test_what_was_found_is_told_before_the_question_and_ctrl_d_is_a_no():
    mine, terminal = os.openpty()
    try:
        os.write(mine, b"\x04")
        ran = subprocess.run(
            (sys.executable, "-c", AT_A_TERMINAL), stdin=terminal, stderr=subprocess.PIPE, text=True
        )
    finally:
        os.close(mine)
        os.close(terminal)
    assert (ran.returncode, ran.stderr) == (0, f"{doctor.question('10.0.0.13', STEPS)} [y/N] \n")


def test_yes_says_nothing_about_a_host():
    assert doctor.leaving([], yes=True, tell=untold)(FOUND) == frozenset()


@pytest.mark.parametrize("words", [["10.0.0.13,10.0.0.14"], ["10.0.0.13", " 10.0.0.14 "]])
def test_hosts_that_are_named_are_not_asked_for(words):
    assert doctor.leaving(words, yes=False, tell=untold)(FOUND) == {"10.0.0.13", "10.0.0.14"}


def test_a_host_that_is_gone_is_named_by_its_address():
    with pytest.raises(UsageError) as caught:
        doctor.leaving(["10.0.0.1,host3"], yes=False, tell=untold)
    assert str(caught.value) == (
        "--gone host3: it is no IPv4 address\n"
        "  -> give the address that the host's engine advertised: `fab doctor` names it"
    )
