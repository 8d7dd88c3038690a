"""The command line: `overweave`, which is Fabric's with our tasks and needs no fabfile, and what of it the
stock `fab` takes on in a checkout."""

from __future__ import annotations

import contextlib
import inspect
import os
import shlex
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import fabric
from fabric.main import Fab
from invoke.exceptions import Exit, ParseError
from invoke.terminals import pty_size

from overweave import __version__
from overweave.errors import OverweaveError, UsageError
from overweave.printable import lines

from . import completion, mistakes, usage
from .collection import collect
from .executor import FleetExecutor


class Program(Fab):  # type: ignore[misc]
    """Fabric's program, with the nearest right word for a wrong one, its exit code as in the table of
    docs/reference/exit-codes.md, and hosts that complete."""

    def print_version(self) -> None:
        print(f"overweave {__version__}")

    def print_help(self) -> None:
        super().print_help()
        print(f"`{self.binary} --list` shows all tasks, `{self.binary} --help TASK` one of them.")

    def print_task_help(self, name: str) -> None:
        task = self.parser.contexts[name]
        print(f"Usage: {self.binary} [--core-opts] {' '.join(usage.words(task))} [--options]\n")
        told = inspect.getdoc(self.collection[name]) or ""
        print("\n".join(usage.prose(told, pty_size()[0], self.leading_indent)))
        if needed := usage.arguments(task):
            print("Arguments:")
            self.print_columns(needed)
        print("Options:")
        self.print_columns(usage.options(task))
        print(f"`{self.binary} --help` has those of all tasks, such as -H HOSTS and -i KEY.")

    def create_config(self) -> None:
        with _readable():
            super().create_config()

    def update_config(self) -> None:
        with _readable():
            super().update_config()

    def parse_core(self, argv: list[str] | None) -> None:
        with self._explained():
            super().parse_core(argv)

    def parse_tasks(self) -> None:
        with self._explained():
            super().parse_tasks()

    def parse_cleanup(self) -> None:
        if self.args.complete.value:
            self._complete()
        try:
            with self._explained():
                super().parse_cleanup()
            sys.stdout.flush()
        except BrokenPipeError:
            # Whoever read it, as `head` does, has seen enough. Python would flush once more at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise Exit(code=128 + signal.SIGPIPE) from None

    def _complete(self) -> None:
        """Ends where the word that is being typed is a host's."""
        try:
            words = shlex.split(self.core.remainder)
        except ValueError:  # a quote that is still open
            raise Exit from None
        hosts = completion.hosts(words)
        if hosts:
            print("\n".join(hosts))
            raise Exit

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except ParseError as e:
            tasks = getattr(self, "collection", None)
            error = mistakes.explain(
                e, self.binary, tasks.task_names if tasks else (), self.initial_context.flag_names()
            )
        except ValueError as e:
            error = mistakes.not_a_number(e, self.argv, self.binary)
        else:
            return
        raise _ended(error) from None


@contextlib.contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except (Exit, EOFError):
        # A password that is asked for, and does not come.
        raise
    except Exception as e:
        raise _ended(mistakes.unreadable(e)) from None


def _ended(error: UsageError) -> Exit:
    return Exit(message=lines(f"overweave: {error}"), code=error.exit_code)


def adopt(program: Fab) -> None:
    """Make the stock program, which is about to read the tasks of its command line, do that as ours does.
    Fabric makes it before it looks for a fabfile, and has no other way in."""
    program.__class__ = Program


def main() -> None:
    try:
        namespace = collect(Path.cwd())
    except OverweaveError as e:
        sys.exit(f"overweave: {e}")
    Program(
        name="overweave",
        binary="overweave",
        binary_names=["overweave"],
        version=__version__,
        namespace=namespace,
        executor_class=FleetExecutor,
        config_class=fabric.Config,
    ).run()
