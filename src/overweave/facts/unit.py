"""docker.service as systemd sees it: its files, its effective ExecStart, its process."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from posixpath import basename

from overweave.command import Result, query, query_script

from .absent import Absent
from .text import properties

UNIT = "docker.service"
DROP_IN_FOLDER = "/etc/systemd/system/docker.service.d"
DROP_IN = f"{DROP_IN_FOLDER}/90-overweave.conf"

NAMESPACES = """\
pid=$(systemctl show -p MainPID --value "$1")
readlink /proc/1/ns/net /proc/$pid/task/*/ns/net; echo
stat -L -c 'net:[%i]' /run/docker/netns/* 2>/dev/null
"""
"""The host's network namespace, those of the engine's threads, and those that Docker made and still uses.

The host's is that of process 1: the engine's first thread may be one that watches an overlay (measured).
"""

NAMESPACES_AGAIN = query_script("sleep 0.5\n" + NAMESPACES, UNIT)
"""A second look: a container that comes or goes in this moment makes a thread look stray."""

QUERIES = (
    query("systemctl", "show", UNIT, "-p", "LoadState,ActiveState,MainPID,ExecMainStartTimestampMonotonic"),
    query("systemctl", "cat", UNIT),
    query_script('test ! -e "$1" || cat "$1"', DROP_IN),
    query_script('pid=$(systemctl show -p MainPID --value "$1"); cat "/proc/$pid/cmdline" 2>/dev/null', UNIT),
    query_script(NAMESPACES, UNIT),
    # What EnvironmentFile= gives to ExecStart, such as $DOCKER_OPTS of Debian's unit.
    query_script('cat /etc/default/docker /etc/sysconfig/docker 2>/dev/null | grep -v "^ *#"; true'),
)

STORE_FLAG = "--cluster-store="


@dataclass(frozen=True)
class Unit:
    """``exec_start`` is the effective line without Overweave's own drop-in, as systemd would read it.

    ``drop_in`` is the text of Overweave's drop-in, "" where there is none. ``overridden_by`` is a
    drop-in of somebody else that sorts after it and sets ExecStart, "" where there is none.
    ``arguments`` are those of the running engine, empty while it is down. ``started`` tells two starts
    of one boot apart (microseconds since the boot). ``stray_threads`` counts threads of the engine that
    are stuck in a namespace that is gone: see `anchor`.
    """

    exec_start: str
    drop_in: str
    overridden_by: str
    active: bool
    main_pid: int
    started: int
    arguments: tuple[str, ...]
    environment: str
    stray_threads: int = 0

    @property
    def uses_store(self) -> bool:
        """Whether the running engine has a cluster store."""
        return any(flag.startswith(STORE_FLAG) for flag in self.arguments)

    @property
    def told_store(self) -> bool:
        """The same, or it is to have one from its next start on, by Overweave's drop-in."""
        return self.uses_store or STORE_FLAG in self.drop_in


def parse(results: Sequence[Result]) -> Unit | Absent:
    shown, files, drop_in, arguments, namespaces, environment = results
    its = properties(shown.stdout)
    # It fails, and prints the rest, where a drop-in that systemd has read is gone: a run that was broken off
    # before the reload leaves it so.
    if its.get("LoadState") != "loaded" or (not files.ok and "[Service]" not in files.stdout):
        return Absent(f"systemd has no unit {UNIT}")
    settings = exec_starts(files.stdout)
    # systemd applies drop-ins by file name, whatever folder they are in.
    later = [p for p, value in settings if value and p.endswith(".conf") and basename(p) > basename(DROP_IN)]
    return Unit(
        exec_start=effective([value for path, value in settings if path != DROP_IN]),
        drop_in=drop_in.stdout,
        overridden_by=later[-1] if later else "",
        active=its.get("ActiveState") in ("active", "reloading"),
        main_pid=int(its.get("MainPID") or 0),
        started=int(its.get("ExecMainStartTimestampMonotonic") or 0),
        arguments=tuple(arguments.stdout.rstrip("\0").split("\0")) if arguments.stdout else (),
        environment=environment.stdout,
        stray_threads=stray_threads(namespaces.stdout),
    )


def stray_threads(namespaces: str) -> int:
    """Threads in a namespace that is neither the host's nor one that Docker still uses."""
    threads, _, used = namespaces.partition("\n\n")
    hosts, *others = threads.split("\n")
    return sum(namespace not in (hosts, *used.split("\n")) for namespace in others if namespace)


def exec_starts(cat: str) -> list[tuple[str, str]]:
    """Every ``ExecStart=`` of ``systemctl cat``, in order, with the file that it stands in.

    `systemctl show` is no source for this: it prints the words without their quotes.
    """
    found: list[tuple[str, str]] = []
    path, section, pending, before = "", "", "", ""
    for raw in cat.splitlines():
        # The header of a file stands after an empty line; a comment may look like one elsewhere.
        if not before.strip() and not pending and re.fullmatch(r"# /\S+\.(service|conf)", raw):
            path, section = raw[2:], ""
        before = raw
        if raw.lstrip().startswith(("#", ";")):
            continue
        line = pending + raw.strip() if pending else raw
        pending = ""
        if line.endswith("\\"):
            pending = line[:-1].rstrip() + " "
        elif line.startswith("["):
            section = line.strip()
        elif section == "[Service]":
            key, separator, value = line.partition("=")
            if separator and key.strip() == "ExecStart":
                found.append((path, value.strip()))
    return found


def effective(values: Sequence[str]) -> str:
    """The line that systemd would run: an empty assignment forgets those before it."""
    line = ""
    for value in values:
        line = value if value else ""
    return line
