"""The error tree. What an error *is* decides the exit code, never the text of its message.

    OverweaveError
    +-- UsageError           2   the command line or the inventory is wrong; nothing was contacted
    |   +-- InventoryError       ... at a path of the inventory file
    +-- ConnectionProblem    3   a host can't be reached, or would not let us in
    |   +-- HostKeyProblem       ... because its key is unknown or has changed
    |   +-- SudoProblem          ... as root
    +-- Refused              4   what was found on the hosts forbids the wanted state; nothing was changed
    |   +-- LabUnavailable       ... this machine can't run a lab
    +-- CommandFailed        5   a command on a host failed
    +-- EngineError          5   the engine refused a call
    +-- StoreError           5   the cluster store refused a call
    +-- GossipError          5   an engine's gossip port gave no usable answer
    +-- DeadlineExceeded     6   a condition did not come true in time
    +-- FleetError           *   several of these, of several hosts; exit code of the gravest
    +-- Interrupted        130   Ctrl-C or SIGTERM

Exit code 1 is not an error: the work was done and the proof is red.
"""

from __future__ import annotations

from collections.abc import Sequence


class OverweaveError(Exception):
    """Anything Overweave can say about what went wrong.

    ``message`` names the thing and the reason, ``hint`` the next thing to do, ``host`` the host it
    happened on (its inventory name), where there is one. ``also`` are lines about what came of it.
    ``usual_hint``: that of an error of this kind that is given none.
    """

    exit_code = 5
    usual_hint = ""

    def __init__(self, message: str, *, hint: str = "", host: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint or self.usual_hint
        self.host = host
        self.also: list[str] = []

    def __str__(self) -> str:
        text = f"{self.host}: {self.message}" if self.host else self.message
        hint = [f"-> {self.hint}"] if self.hint else []
        return "\n  ".join([text, *hint, *self.also])


class UsageError(OverweaveError):
    exit_code = 2


class InventoryError(UsageError):
    """``where`` is the path of the value inside the file, as in ``hosts.web2.address``."""

    usual_hint = "see inventory/example.yml"

    def __init__(self, where: str, message: str, *, hint: str = "") -> None:
        super().__init__(f"{where}: {message}" if where else message, hint=hint)
        self.where = where


class ConnectionProblem(OverweaveError):
    exit_code = 3


class HostKeyProblem(ConnectionProblem):
    pass


class SudoProblem(ConnectionProblem):
    pass


class Refused(OverweaveError):
    exit_code = 4


class LabUnavailable(Refused):
    pass


class CommandFailed(OverweaveError):
    """A command ended with an exit code that its caller did not expect."""

    usual_hint = "mend what it says there, then run the same command again: it goes on from what it finds"

    def __init__(self, command: str, exit_code: int, output: str, *, host: str = "", hint: str = "") -> None:
        tail = "\n".join(f"    {line}" for line in output.strip().splitlines()[-5:])
        super().__init__(
            f"`{command}` ended with exit code {exit_code}" + (f":\n{tail}" if tail else " and said nothing"),
            host=host,
            hint=hint,
        )
        self.command = command
        self.status = exit_code
        self.output = output


class EngineError(OverweaveError):
    """The engine answered a call with an error; ``status`` is its HTTP status, 0 if there was none."""

    usual_hint = "see `journalctl -u docker` on the host"

    def __init__(self, message: str, *, status: int = 0, host: str = "", hint: str = "") -> None:
        super().__init__(message, host=host, hint=hint)
        self.status = status


class StoreError(OverweaveError):
    usual_hint = "`fab status` shows how the store is, and `fab deploy-overlay` starts what is down"


class GossipError(OverweaveError):
    usual_hint = "see `journalctl -u docker` on the host; `fab doctor` looks at the gossip of all engines"


class DeadlineExceeded(OverweaveError):
    exit_code = 6


class Interrupted(OverweaveError):
    exit_code = 130


class FleetError(OverweaveError):
    """Several things are wrong, each with its own error; the gravest gives the exit code."""

    def __init__(self, failures: Sequence[OverweaveError]) -> None:
        self.failures = tuple(failures)
        super().__init__("\n".join(dict.fromkeys(str(e) for e in self.failures)))
        self.exit_code = max(e.exit_code for e in self.failures)
