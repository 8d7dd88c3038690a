"""--quiet, --verbose and --no-color, which every cluster task has."""

from __future__ import annotations

import contextvars
import os

import fabric
import pytest

from overweave.cli.collection import collect
from overweave.cli.executor import SPEECH, ClusterTask, FleetContext, cluster_task
from overweave.cli.run import Progress
from overweave.ports import Record

CONTEXT = FleetContext(fabric.Config(), task_name="it", host_names=(), remainder="", own_ssh_config=False)


@cluster_task()
def it(c):
    """Tell two things."""
    progress = Progress()
    progress.also = lambda host, what: noted.append(what)
    progress("host1", "doing")
    progress.sent(Record("host1", "$ true", 0.25, "exit code 0"))


@cluster_task()
def runbook(c):
    """Call another task."""
    it(c)


noted: list[str] = []


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({}, ["doing"]),
        ({"quiet": True}, []),
        ({"verbose": True}, ["doing", "$ true = exit code 0, 0.250 s"]),
    ],
)
@pytest.mark.parametrize("task", [it, runbook])
def test_how_much_is_told_and_a_runbook_hands_it_on(capsys, task, asked, told):
    noted.clear()
    contextvars.copy_context().run(task, CONTEXT, **asked)
    assert [line.partition("host1     ")[2].rstrip() for line in capsys.readouterr().err.splitlines()] == told
    assert noted == ["doing"], "the story has it in any case"


def test_no_colour_is_what_no_color_in_the_environment_is(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "")
    contextvars.copy_context().run(it, CONTEXT, no_color=True)
    assert os.environ["NO_COLOR"] == "1"


def test_every_task_has_them_and_help_for_each_of_its_options(tmp_path):
    tasks = collect(tmp_path)
    for context in tasks.to_contexts():
        assert isinstance(tasks[context.name], ClusterTask)
        assert {f"--{name}" for name in SPEECH} <= set(context.flag_names())
        without = [arg.names[0] for arg in context.args.values() if not arg.help and not arg.positional]
        assert without == [], context.name


def test_a_pair_of_hosts_is_parted_from_what_is_told_of_it(capsys):
    Progress()("host1 -> host2", "warning: packets get lost")
    told = capsys.readouterr().err.partition(" s  ")[2]
    assert told == "host1 -> host2 warning: packets get lost\n"
