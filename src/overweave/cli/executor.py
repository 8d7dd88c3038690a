"""How tasks meet hosts: a cluster task once for the whole ``-H`` list, any other once per host.

`fabric.yaml` names `FleetExecutor` in ``tasks.executor_class``, so the stock `fab` command uses it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextvars import ContextVar
from enum import Enum
from typing import Any

import fabric
from fabric.executor import Executor
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.parser.argument import Argument
from invoke.tasks import Call, Task

from overweave.errors import Interrupted, OverweaveError, UsageError
from overweave.printable import lines

from .choice import STDIN, VAGRANT


class FleetContext(Context):
    """Given to a cluster task instead of a connection.

    ``task_name`` is that of the command line, ``host_names`` the ``-H`` list as it was typed, ``remainder``
    what stood after ``--``, and ``own_ssh_config`` whether an ssh configuration was given with ``-S``.
    """

    def __init__(self, config: fabric.Config, **given: Any) -> None:
        super().__init__(config=config)
        # Context keeps unknown attributes in its configuration; _set is its way around that.
        self._set(**given)


class FleetCall(Call):
    """A call that is made once, with all hosts."""

    def __init__(self, *args: Any, given: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.given = given

    def make_context(self, config: fabric.Config) -> FleetContext:
        return FleetContext(config, **self.given)


class Loudness(Enum):
    """How much a run tells besides its result and its errors."""

    QUIET = 0
    PROGRESS = 1
    VERBOSE = 2


LOUDNESS = ContextVar("LOUDNESS", default=Loudness.PROGRESS)
SPEECH = {
    "quiet": "no lines of progress: the result and errors alone",
    "verbose": "also every command on a host, and how it ended",
    "no-color": "no colour; the same as NO_COLOR in the environment",
}
"""Options of every cluster task."""
MACHINES = {"vagrant": "the hosts are the machines that vagrant/ has; --inventory says what else is wanted"}
"""Option of every cluster task that takes an inventory."""


class ClusterTask(fabric.tasks.Task):  # type: ignore[misc]
    """A task of the whole fleet, with the options of `SPEECH`, and that of `MACHINES` if it takes an
    inventory."""

    help: dict[str, str]

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Argument]:
        # Invoke uses the help up: whoever asks a second time would get none.
        told = dict(self.help)
        own: list[Argument] = super().get_arguments(ignore_unknown_help)
        self.help = told
        takes_inventory = any(arg.name == "inventory" for arg in own)
        return own + [
            # An alias that is the name itself is one too many for Invoke.
            Argument(
                name,
                kind=bool,
                default=False,
                help=words,
                attr_name=name.replace("-", "_") if "-" in name else None,
            )
            for name, words in (SPEECH | (MACHINES if takes_inventory else {})).items()
        ]

    def __call__(
        self,
        *args: Any,
        quiet: bool = False,
        verbose: bool = False,
        no_color: bool = False,
        vagrant: bool = False,
        **kwargs: Any,
    ) -> Any:
        if quiet and verbose:
            raise UsageError("--quiet and --verbose say the opposite", hint="take one of them")
        # A task of a runbook is called without these, and is as loud as the runbook.
        if quiet or verbose:
            LOUDNESS.set(Loudness.QUIET if quiet else Loudness.VERBOSE)
        if no_color:
            os.environ["NO_COLOR"] = "1"
        if vagrant:
            if kwargs.get("inventory") == STDIN:
                raise UsageError(
                    "--vagrant takes no inventory from standard input", hint="name a file with --inventory"
                )
            kwargs["inventory"] = VAGRANT + (kwargs.get("inventory") or "")
        return super().__call__(*args, **kwargs)


def cluster_task(*args: Any, **kwargs: Any) -> Callable[..., Any]:
    """As `fabric.task`, for a task that takes the whole fleet at once. Its first argument is a
    `FleetContext`. There are no short options: they would hide Fabric's own, such as -i for a key."""
    kwargs.setdefault("auto_shortflags", False)
    made: Callable[..., Any] = fabric.task(*args, klass=ClusterTask, **kwargs)
    return made


class FleetExecutor(Executor):  # type: ignore[misc]
    """Fabric's executor, with cluster tasks, and with our errors as messages and exit codes."""

    def expand_calls(self, calls: list[Any], apply_hosts: bool = True) -> list[Any]:
        names = tuple(
            name.strip() for name in (self.core[0].args.hosts.value or "").split(",") if name.strip()
        )
        expanded: list[Any] = []
        rest: list[Any] = []
        for it in calls:
            call = Call(task=it) if isinstance(it, Task) else it
            if isinstance(call.task, ClusterTask):
                given = {
                    "task_name": call.called_as or call.task.name,
                    "host_names": names,
                    "remainder": self.core.remainder,
                    "own_ssh_config": bool(self.core[0].args["ssh-config"].value),
                }
                expanded.append(call.clone(into=FleetCall, with_={"given": given}))
            else:
                rest.append(call)
        # Fabric runs what stands after -- on every host; with a cluster task it belongs to the task.
        if rest or not expanded:
            expanded += super().expand_calls(rest, apply_hosts)
        return expanded

    def execute(self, *tasks: Any) -> Any:
        # A task that is stopped by a service manager tidies up as after Ctrl-C.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            return super().execute(*tasks)
        except OverweaveError as e:
            raise Exit(message=_told(f"overweave: {e}", e), code=e.exit_code) from e
        except Exit as e:
            e.message = _told(e.message or "", e) or None
            raise
        except KeyboardInterrupt as e:
            message = _told("overweave: interrupted", e)
            raise Exit(message=message, code=Interrupted.exit_code) from None


def _told(message: str, error: BaseException) -> str:
    """A message as it is printed, with the notes of its error. Much of it may come from hosts."""
    return lines("\n".join(filter(None, [message, *getattr(error, "__notes__", ())])))
