"""A host's part of the store as a service: its unit, its process, its data, and the program itself."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from overweave.command import Result, query_script
from overweave.ports import Reader
from overweave.stores.consul import DATA

from .boot import LIMIT
from .text import properties

UNIT = "overweave-consul.service"
UNIT_FILE = f"/etc/systemd/system/{UNIT}"
MADE_FROM = "OVERWEAVE_SPEC"
"""What the process has in its environment: a digest of its settings, of those that it was started with."""
LOOK = """\
program=$(command -v consul)
case $program in /*) echo "$program" ;; *) echo ;; esac
[ -e "$1" ] || [ -d "$2" ] || exit 0
[ ! -d "$2" ] || echo data=yes
systemctl show "$3" -p UnitFileState,ActiveState
pid=$(systemctl show -p MainPID --value "$3")
tr '\\0' '\\n' 2> /dev/null < "/proc/$pid/environ" | grep "^$4="
echo "exe=$(readlink "/proc/$pid/exe")"
echo
[ ! -e "$1" ] || head -c "$5" "$1"
"""
QUERIES = (query_script(LOOK, UNIT_FILE, DATA, UNIT, MADE_FROM, str(LIMIT)),)
VERSION = query_script("timeout 20 consul version 2>&1 | head -n 1 | head -c 200")
SAID = re.compile(r"Consul v(\d{1,6}(?:\.\d{1,6}){1,2})")
PROGRAM = re.compile(r"/[A-Za-z0-9_./+-]{1,200}")


@dataclass(frozen=True)
class StoreService:
    """``program``: the path of the host's Consul, "" where it has none. ``unit``: the text of the unit's
    file, "" where there is none. ``made_from``: the digest of what the process was started with, "" where
    none runs. ``data``: its folder is there. ``replaced``: the program is another one than the one that
    runs."""

    program: str = ""
    unit: str = ""
    enabled: bool = False
    running: bool = False
    made_from: str = ""
    data: bool = False
    replaced: bool = False


def parse(results: Sequence[Result]) -> StoreService:
    program, _, rest = results[0].stdout.partition("\n")
    about, _, unit = rest.partition("\n\n")
    its = properties(about)
    return StoreService(
        program=program if PROGRAM.fullmatch(program) else "",
        unit=unit,
        enabled=its.get("UnitFileState") == "enabled",
        running=its.get("ActiveState") == "active",
        made_from=its.get(MADE_FROM, ""),
        data="data" in its,
        replaced=its.get("exe", "").endswith(" (deleted)"),
    )


def version(reader: Reader) -> str:
    """Of the program, as in ``1.8.7``; "" where there is none, or it tells none. It takes 0.1 s."""
    (told,) = reader.ask(VERSION)
    found = SAID.match(told.stdout)
    return found[1] if found else ""
