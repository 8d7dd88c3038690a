"""How a change is taken back: notes that are made on the host before the change itself. Pure.

They lie on the host because everything else may be gone when they are needed: the ssh connection, the
operator's machine, or the power. Whoever finds that a run ended before its hosts were settled takes the
notes of a host back: the run itself, the program that held the host's lock for it, the next run, or
systemd at the next boot.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from .command import Change, change_script
from .facts.record import FOLDER as STATE_FOLDER
from .facts.record import PATH as RECORD_PATH
from .render import render, script
from .steps import (
    ProvideImage,
    RecordBefore,
    RestartEngine,
    RunContainer,
    StartContainer,
    Step,
    WriteFile,
)

NOTES = f"{STATE_FOLDER}/undo"
UNIT = "/etc/systemd/system/overweave-take-back.service"
LINK = "/etc/systemd/system/multi-user.target.wants/overweave-take-back.service"
TAKE_BACK = (f"{NOTES}/take-back", "now", UNIT, LINK)
"""Script and arguments that take back at once."""


@dataclass(frozen=True)
class Note:
    """``kind``: ``file`` needs no engine, ``engine`` needs one that runs, ``restart`` says that the engine
    is to be restarted and what follows that. ``text`` is for a POSIX shell, and may be run twice."""

    kind: str
    text: str


def note_of(step: Step) -> Note | None:
    """How a step is taken back; None where nothing has to be, or where nothing can be."""
    match step:
        case RecordBefore():
            return Note("file", f"rm -f {RECORD_PATH}\n")
        case WriteFile(previous=""):
            folder = f"rmdir $(dirname {shlex.quote(step.path)}) 2> /dev/null\n" if step.new_folder else ""
            return Note("file", f"rm -f {_words(step.path, f'{step.path}.new')}\n{folder}true\n")
        case WriteFile():
            path, new = shlex.quote(step.path), shlex.quote(f"{step.path}.new")
            return Note("file", f"printf %s {shlex.quote(step.previous)} > {new} && mv {new} {path}\n")
        case RestartEngine():
            return Note("restart", f"docker start {_words(*step.stops)} > /dev/null\n" if step.stops else "")
        case ProvideImage():
            return Note("engine", _if_there("image", step.image, f"docker rmi {shlex.quote(step.image)}"))
        case RunContainer(replace=False):
            volumes = "".join(
                _if_there("volume", volume, f"docker volume rm {shlex.quote(volume)}")
                for volume in step.new_volumes
            )
            remove = f"docker rm -fv {shlex.quote(step.name)}"
            return Note("engine", _if_there("container", step.name, remove) + volumes)
        case StartContainer():
            return Note("engine", f"docker stop {shlex.quote(step.name)} > /dev/null\n")
        case _:
            return None


def write_down(note: Note) -> Change:
    """The command that makes a note on a host, which must be made before the change."""
    return change_script(
        script("note-undo.sh"),
        NOTES,
        note.kind,
        script("take-back.sh"),
        UNIT,
        LINK,
        render("take-back.service.j2", notes=NOTES, unit=UNIT, link=LINK),
        stdin=note.text.encode(),
    )


def take_back() -> Change:
    """The command that takes back what is noted; nothing where nothing is. Fails where some of it could
    not be taken back, and prints why."""
    return change_script('[ ! -e "$1" ] || exec sh "$@"', *TAKE_BACK)


def forget() -> Change:
    """The command that makes the noted changes stay."""
    return change_script(script("forget-undo.sh"), NOTES, UNIT, LINK)


def _words(*words: str) -> str:
    return shlex.join(words)


def _if_there(kind: str, name: str, act: str) -> str:
    return f"! docker {kind} inspect {shlex.quote(name)} > /dev/null 2>&1 || {act} > /dev/null || exit\n"
