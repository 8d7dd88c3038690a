"""What every cluster task does around its own work: choose hosts, connect, show progress, write JSON."""

from __future__ import annotations

import contextlib
import getpass
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from secrets import token_hex
from typing import Any

import fabric
from rich.console import RenderableType
from rich.text import Text

from overweave import __version__
from overweave.audit import Run
from overweave.errors import OverweaveError, UsageError
from overweave.model import Fleet
from overweave.ports import Record
from overweave.printable import lines, one_line
from overweave.report import text
from overweave.session import Session, connect

from . import reports
from .choice import VAGRANT, fleet
from .executor import LOUDNESS, FleetContext, Loudness
from .story import story

ANSWER_SECONDS = 4
LINE = 2000
"""Characters of one line of progress."""


class Progress:
    """One line for each thing that happens, on stderr, with the seconds since the start; as loud as wanted.

    ``also`` is told the same, whether it is shown or not.
    """

    def __init__(self) -> None:
        self._console = text.console(stderr=True)
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self._loudness = LOUDNESS.get()
        self.also: Callable[[str, str], None] = lambda host, what: None

    def __call__(self, host: str, what: str) -> None:
        self.also(host, what)
        if self._loudness is not Loudness.QUIET:
            self._show(host, what)

    def sent(self, record: Record) -> None:
        """Tell what was sent to a host, where that is asked for. The whole of it is in the story."""
        if self._loudness is Loudness.VERBOSE:
            self._show(record.host, f"{record.what} = {record.outcome}, {record.seconds:.3f} s")

    def _show(self, host: str, what: str) -> None:
        with self._lock:
            self._console.print(
                Text.assemble(
                    (f"{self.seconds:5.1f} s  ", "dim"),
                    (f"{host:<9} " if host else "", "bold"),
                    one_line(what, LINE),
                )
            )

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started


@contextlib.contextmanager
def session(
    c: FleetContext,
    inventory: str | None,
    *,
    accept_new_host_keys: bool = False,
    progress: Progress | None = None,
    task: str = "",
    wait_lock: float = 0,
    only_looks: bool = False,
    **changes: Any,
) -> Iterator[Session]:
    """Connections to the hosts that the command line asks for; with their locks where a ``task`` is named
    that must be alone on them. ``wait_lock``: seconds to wait for other runs; ``only_looks``: the task
    changes nothing."""
    progress = progress or Progress()
    if inventory and inventory.startswith(VAGRANT):
        progress("", "asking Vagrant for its machines")
    # Names of an ssh configuration that was given must not be taken for those of a lab: host1, host2, …
    wanted = fleet(c.host_names, inventory, may_be_lab=not c.own_ssh_config, **changes)
    with session_of(
        c,
        wanted,
        accept_new_host_keys=accept_new_host_keys,
        progress=progress,
        task=task,
        wait_lock=wait_lock,
        only_looks=only_looks,
    ) as opened:
        yield opened


@contextlib.contextmanager
def session_of(
    c: FleetContext,
    wanted: Fleet,
    *,
    accept_new_host_keys: bool = False,
    progress: Progress | None = None,
    task: str = "",
    wait_lock: float = 0,
    only_looks: bool = False,
) -> Iterator[Session]:
    """`session` with the hosts of a fleet."""
    config: fabric.Config = c.config
    progress = progress or Progress()
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(story(c.task_name, progress))
        progress.also = log.note
        shown = progress

        def record(it: Record) -> None:
            log(it)
            shown.sent(it)

        opened = stack.enter_context(
            connect(
                wanted, config, progress=progress, accept_new_host_keys=accept_new_host_keys, record=record
            )
        )
        if task:
            with opened.locked(this_run(task), wait_lock, changes=not only_looks):
                yield opened
        else:
            yield opened


def answers(c: FleetContext, wanted: Fleet) -> bool:
    """Whether all hosts of a fleet let us in by ssh."""
    config: fabric.Config = c.config.clone()
    config.timeouts.connect = min(config.timeouts.connect or ANSWER_SECONDS, ANSWER_SECONDS)
    try:
        with connect(wanted, config):
            return True
    except OverweaveError:
        return False


def this_run(task: str) -> Run:
    """Who does what from here."""
    return Run(
        id=token_hex(4),
        who=f"{getpass.getuser()}@{socket.gethostname()}",
        sudo_user=os.environ.get("SUDO_USER", ""),
        version=__version__,
        task=task,
    )


def show(report: RenderableType, data: Mapping[str, Any], json_file: str | None) -> None:
    """Print the report, and write the data where ``--json`` says; ``-`` is stdout, without the report.

    Raises `UsageError` where the file can't be written.
    """
    if json_file != "-":
        text.console().print(report)
    if json_file:
        write(data, json_file)


def write(data: Mapping[str, Any], json_file: str) -> None:
    """Write the data alone. Raises `UsageError` where the file can't be written."""
    reports.write("json", json_file, reports.as_json(data))


def confirm(question: str, *, yes: bool, otherwise: str = "nothing was changed") -> bool:
    """Ask, unless ``--yes`` was given; whether somebody answered.

    Raises `UsageError` for a no, which ends with ``otherwise``, and where nobody can be asked.
    """
    if yes:
        return False
    if not sys.stdin.isatty():
        raise UsageError(f"{question} Nobody is there to ask.", hint="add --yes to go on without asking")
    if not confirmed(question):
        raise UsageError(
            f"not confirmed: {otherwise}", hint="the same command asks again; --yes goes on without asking"
        )
    return True


def confirmed(question: str) -> bool:
    """Ask somebody at a terminal."""
    # Standard output may be JSON for a program.
    sys.stderr.write(lines(f"{question} [y/N] "))
    sys.stderr.flush()
    try:
        return input().strip().lower() in ("y", "yes")
    except EOFError:
        sys.stderr.write("\n")
        return False
