"""Commands as tuples of words, the one place where they are quoted, and what came of them."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field

REDACTED = "[redacted]"


class Secret:
    """A value that prints as ``[redacted]``; only ``reveal()`` gives it away."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return REDACTED

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


@dataclass(frozen=True)
class Command:
    """Words to run as root on a host, and bytes for its standard input.

    Secrets may travel in ``stdin`` only: words can be read in ``ps`` by everybody on the host.
    ``private``: what it prints is a secret, too, and is written down nowhere.
    """

    words: tuple[str, ...]
    stdin: bytes | Secret = field(default=b"", repr=False)
    private: bool = False

    def shell(self) -> str:
        """The command as one line for a POSIX shell."""
        return shlex.join(self.words)

    def __str__(self) -> str:
        """For messages: the first line, and not more than fits a screen."""
        line, *rest = self.shell().split("\n")
        return f"{line[:100]} …" if rest or len(line) > 100 else line

    def stdin_bytes(self) -> bytes:
        return self.stdin.reveal().encode() if isinstance(self.stdin, Secret) else self.stdin


class Query(Command):
    """A command that only looks. A ``Reader`` takes nothing else."""


class Change(Command):
    """A command that may change the host. Only a ``Writer`` takes it."""


def query(*words: str) -> Query:
    return Query(words)


def query_script(text: str, *arguments: str, private: bool = False) -> Query:
    """A read-only POSIX shell script; ``arguments`` become ``$1``, ``$2``, … and need no quoting."""
    return Query(("sh", "-c", text, "sh", *arguments), private=private)


def change(*words: str, stdin: bytes | Secret = b"") -> Change:
    return Change(words, stdin)


def change_script(text: str, *arguments: str, stdin: bytes | Secret = b"") -> Change:
    """A POSIX shell script that changes the host, with arguments as in `query_script`."""
    return Change(("sh", "-c", text, "sh", *arguments), stdin)


@dataclass(frozen=True)
class Result:
    """What a command did: exit code and both streams, decoded as UTF-8 with replacement."""

    command: Command
    status: int
    stdout: str
    stderr: str

    @property
    def ok(self) -> bool:
        return self.status == 0

    @property
    def output(self) -> str:
        """Both streams, for error messages."""
        return "\n".join(part for part in (self.stdout.strip(), self.stderr.strip()) if part)
