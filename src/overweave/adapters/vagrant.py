"""Vagrant's own program: which machines it has, how ssh reaches them, which boxes there are.

``--machine-readable`` prints ``TIME,MACHINE,KIND,VALUE…`` in lines, with commas and line ends escaped:
https://developer.hashicorp.com/vagrant/docs/cli/machine-readable
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from overweave import sources
from overweave.command import Command
from overweave.errors import CommandFailed, LabUnavailable, UsageError

INSTALL = "apt-get install vagrant vagrant-libvirt"
RUNNING = "running"
ABSENT = "not_created"


@dataclass(frozen=True)
class Machine:
    """``provider`` is the name of what runs it, ``state`` its word for how it is, but for `RUNNING` and
    `ABSENT`, which are Vagrant's."""

    name: str
    provider: str
    state: str


def machines(said: str) -> tuple[Machine, ...]:
    """All machines of what ``vagrant status --machine-readable`` said."""
    found: dict[str, dict[str, str]] = {}
    for name, kind, value in _lines(said):
        if name and kind in ("provider-name", "state"):
            found.setdefault(name, {})[kind] = value
    return tuple(
        Machine(name, its["provider-name"], its["state"])
        for name, its in found.items()
        if {"provider-name", "state"} <= its.keys()
    )


def boxes(said: str) -> frozenset[tuple[str, str, str]]:
    """Name, provider and version of each box of what ``vagrant box list --machine-readable`` said."""
    found: list[list[str]] = []
    for _, kind, value in _lines(said):
        if kind == "box-name":
            found.append([value])
        elif kind in ("box-provider", "box-version") and found:
            found[-1].append(value)
    return frozenset((its[0], its[1], its[2]) for its in found if len(its) == 3)


def choose(found: Sequence[Machine], wanted: Iterable[str], folder: Path) -> tuple[Machine, ...]:
    """The machines that a command is about: those that were made, or those ``wanted`` by name.

    Raises `UsageError` for a name that there is not, `LabUnavailable` where one of them, or none, runs.
    """
    names = {machine.name for machine in found}
    for name in wanted:
        if name not in names:
            raise UsageError(
                f"{folder} has no machine '{name}'", hint=f"it has {', '.join(sorted(names)) or 'none'}"
            )
    chosen = [it for it in found if (it.name in wanted if wanted else it.state != ABSENT)]
    if not chosen:
        raise LabUnavailable(
            f"no machine of {folder} was made", hint=f"make them: (cd {folder} && vagrant up)"
        )
    if off := [f"{machine.name} ({machine.state})" for machine in chosen if machine.state != RUNNING]:
        raise LabUnavailable(
            f"not all machines of {folder} run: {', '.join(off)}",
            hint=f"boot them: (cd {folder} && vagrant up); or name those that run with -H",
        )
    return tuple(chosen)


def reach(
    folder: Path, wanted: Sequence[str] = (), environment: Mapping[str, str] = os.environ
) -> dict[str, dict[str, object]]:
    """How ssh reaches the machines of a folder with a Vagrantfile, or those ``wanted`` by name: hosts as an
    inventory gives them. Each has a known_hosts among what Vagrant keeps of it, and removes with it.

    Raises `UsageError` and `LabUnavailable` as `choose` does, and where there is no Vagrant; `CommandFailed`.
    """
    chosen = choose(machines(_run("status", "--machine-readable", folder=folder)), wanted, folder)
    kept = folder.absolute() / environment.get("VAGRANT_DOTFILE_PATH", ".vagrant") / "machines"
    config = _run("ssh-config", *(machine.name for machine in chosen), folder=folder)
    hosts = (sources.recognise(config) or {"hosts": {}})["hosts"]
    return {
        it.name: hosts[it.name] | {"known_hosts": str(kept / it.name / it.provider / "known_hosts")}
        for it in chosen
    }


def add_box(name: str, version: str, catalog: Path) -> bool:
    """Add a box for libvirt to those of the caller, unless there is this version; whether it was added.

    Raises `LabUnavailable` where there is no Vagrant; `CommandFailed`.
    """
    if (name, "libvirt", version) in boxes(_run("box", "list", "--machine-readable")):
        return False
    _run("box", "add", "--provider", "libvirt", str(catalog))
    return True


def _run(*words: str, folder: Path | None = None) -> str:
    command = Command(("vagrant", *words))
    try:
        done = subprocess.run(
            command.words,
            cwd=folder,
            # It asks HashiCorp for newer versions otherwise.
            env={**os.environ, "VAGRANT_CHECKPOINT_DISABLE": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except FileNotFoundError:
        raise LabUnavailable("there is no program 'vagrant' on this machine", hint=INSTALL) from None
    if done.returncode:
        hint = f"try it by hand: (cd {folder} && {command.shell()})" if folder else "try it by hand"
        raise CommandFailed(command.shell(), done.returncode, done.stderr or done.stdout, hint=hint)
    return done.stdout


def _lines(said: str) -> Iterator[tuple[str, str, str]]:
    for line in said.splitlines():
        _, name, kind, value, *_ = (*line.split(","), "", "", "", "")
        yield name, kind, value
