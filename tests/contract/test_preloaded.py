"""A command that is forked from a server does as one that is started: `Preloaded` beside `Popen`."""

from __future__ import annotations

import os
import signal
import socket
import subprocess

import pytest
from tests.lab.bed import CHECKOUT, FAB
from tests.lab.preloaded import Preloaded

KINDS = {"started": subprocess.Popen, "forked": Preloaded}


@pytest.fixture
def variables(tmp_path):
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}


@pytest.fixture
def waits():
    """Words of a command that waits for a host: one that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield "-t", "60", "status", "-H", f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture(params=KINDS.values(), ids=KINDS.keys())
def begin(request, variables):
    """Start `fab` with these words and, added to the others, these variables."""
    begun = []

    def start(*words, **more):
        begun.append(
            request.param(
                (str(FAB), *words),
                cwd=CHECKOUT,
                env=variables | more,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return begun[-1]

    yield start
    for process in begun:
        with process:
            process.kill()


def test_output_and_exit_code(begin):
    process = begin("--help", "status")
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    assert out.startswith("Usage: fab [--core-opts] status [--options]\n")
    process = begin("no-such-task")
    assert process.wait(30) == 2
    assert process.stderr.read().startswith("overweave: there is no task 'no-such-task'\n")


def test_its_own_variables(begin, tmp_path):
    inventory = tmp_path / "i.yml"
    process = begin("status", OVERWEAVE_INVENTORY=str(inventory))
    _, err = process.communicate(timeout=30)
    assert err.startswith(f"overweave: {inventory}: no such inventory\n")
    process = begin("status")
    _, err = process.communicate(timeout=30)
    assert str(inventory) not in err


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -9)]
)
def test_signals(begin, waits, number, code):
    process = begin(*waits)
    assert process.stderr.readline().endswith("  connecting to 1 host\n")
    assert process.poll() is None
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert err.startswith("overweave: interrupted\n") == (code == 130)


def test_two_at_once_end_each_by_itself(begin, waits):
    one, other = (begin(*waits) for _ in range(2))
    for process in (one, other):
        assert process.stderr.readline().endswith("  connecting to 1 host\n")
    one.kill()
    assert one.wait(30) == -9
    assert other.poll() is None
