"""All tasks and their options as a page: ``python -m overweave.cli.reference > docs/reference/tasks.md``."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

from invoke.collection import Collection
from invoke.parser.argument import Argument

from .collection import collect
from .executor import MACHINES, SPEECH

HEAD = """\
# Tasks

Made of the tasks' own help by `python -m overweave.cli.reference`; a test holds it to that. Installed, the
command is `overweave` instead of `fab`. Hosts are named by `-H host1,user@host2:22`, before or behind the
task's name; without it, it is the whole inventory. `fab --help` has what else there is for all tasks, such as
`-i KEY`, `-S SSH_CONFIG`, and `--prompt-for-sudo-password`. [What exit codes mean](exit-codes.md).

Tasks, options, and hosts behind `-H` complete in bash, zsh and fish by one of these lines; in zsh behind
`autoload -Uz compinit && compinit`:

    eval "$(fab --print-completion-script bash)"
    eval "$(fab --print-completion-script zsh)"
    fab --print-completion-script fish | source

Every task has these options, too:
"""
TABLE = ("| option | what it does |", "|---|---|")


def page(tasks: Collection) -> str:
    """Markdown, in the order of ``--list``."""
    return "\n".join(_lines(tasks)) + "\n"


def _lines(tasks: Collection) -> Iterator[str]:
    yield HEAD
    yield from TABLE
    for name, told in SPEECH.items():
        yield f"| `--{name}` | {told} |"
    for name, told in MACHINES.items():
        yield f"| `--{name}` | where there is --inventory: {told} |"
    contexts = {str(context.name): context for context in tasks.to_contexts()}
    for name in sorted(contexts, key=lambda it: (it.count("."), it)):
        yield f"\n## {name}\n"
        summary, *more = (inspect.getdoc(tasks[name]) or "").splitlines()
        yield summary
        for line in more:
            yield f"    {line.removeprefix('Example: ')}" if line.startswith("Example: ") else line
        yield ""
        options = [arg for arg in contexts[name].args.values() if arg.names[0] not in SPEECH | MACHINES]
        if options:
            yield from TABLE
        for arg in options:
            yield f"| `{_called(arg)}` | {(arg.help or '').replace('|', chr(92) + '|')} |"


def _called(arg: Argument) -> str:
    name = arg.names[0]
    if arg.positional:
        return name.upper()
    return f"--{name} {arg.kind.__name__.upper()}" if arg.takes_value else f"--{name}"


if __name__ == "__main__":
    print(page(collect(Path.cwd())), end="")
