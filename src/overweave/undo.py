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
    DisconnectEndpoint,
    HoldAddresses,
    MendRows,
    ProvideImage,
    RecordBefore,
    RejoinNetwork,
    RemoveVxlan,
    RestartEngine,
    RunContainer,
    StartContainer,
    Step,
    WriteFile,
)

NOTES = f"{STATE_FOLDER}/undo"
UNIT = "/etc/systemd/system/overweave-take-back.service"
ASIDE = ".before"
"""What the name of a container ends with while another has its place."""
_SET_ASIDE = """\
docker() { command docker -H unix:///var/run/docker.sock "$@"; }
docker container inspect "$1" > /dev/null 2>&1 || exit 0
docker rm -fv "$2" > /dev/null 2>&1
docker update --restart no "$1" > /dev/null && docker stop -t 5 "$1" > /dev/null && docker rename "$1" "$2"
"""
_BRING_BACK = """\
docker container inspect {aside} > /dev/null 2>&1 || exit 0
docker rm -fv {name} > /dev/null 2>&1
docker rename {aside} {name} && docker update --restart always {name} > /dev/null || exit
docker start {name} > /dev/null
"""
_START = "! docker container inspect {0} > /dev/null 2>&1 || docker start {0} > /dev/null || failed=1\n"
_END = "exit ${failed:-0}\n"
_REMOVE_IMAGE = """\
# An engine goes on with an upload that was broken off when all of it had arrived.
n=0
until docker image inspect {0} > /dev/null 2>&1; do
  n=$((n + 1))
  [ "$n" -le 10 ] || exit 0
  sleep 0.2
done
docker rmi {0} > /dev/null
"""
LINK = "/etc/systemd/system/multi-user.target.wants/overweave-take-back.service"
TAKE_BACK = (f"{NOTES}/take-back", "now", UNIT, LINK)
"""Script and arguments that take back at once."""


@dataclass(frozen=True)
class Note:
    """``kind``: ``file`` needs no engine, ``engine`` needs one that runs, ``restart`` says that the engine
    is to be restarted and what follows that; ``settle`` is for when the changes stay. ``text`` is for a
    POSIX shell, and may be run twice."""

    kind: str
    text: str


def note_of(step: Step) -> Note | None:
    """How a step is taken back; None where nothing has to be, or where nothing can be."""
    match step:
        case RecordBefore():
            return Note("file", f"rm -f {RECORD_PATH}\n")
        case WriteFile(previous=""):
            folder = f"rmdir $(dirname {shlex.quote(step.path)}) 2> /dev/null\n" if step.new_folder else ""
            return Note("file", f"rm -f {shlex.join((step.path, f'{step.path}.new'))}\n{folder}true\n")
        case WriteFile():
            path, new = shlex.quote(step.path), shlex.quote(f"{step.path}.new")
            return Note("file", f"printf %s {shlex.quote(step.previous)} > {new} && mv {new} {path}\n")
        case RestartEngine():
            start = "".join(_START.format(shlex.quote(name)) for name in step.stops) + _END * bool(step.stops)
            if step.same:
                return Note("engine", start or "true\n")
            return Note("restart", start)
        case ProvideImage():
            return Note("engine", _REMOVE_IMAGE.format(shlex.quote(step.image)))
        case RunContainer(replace=True):
            name, aside = shlex.quote(step.name), shlex.quote(step.name + ASIDE)
            return Note("engine", _BRING_BACK.format(name=name, aside=aside))
        case RunContainer():
            volumes = "".join(
                _if_there("volume", volume, f"docker volume rm {shlex.quote(volume)}")
                for volume in step.new_volumes
            )
            remove = f"docker rm -fv {shlex.quote(step.name)}"
            return Note("engine", _if_there("container", step.name, remove) + volumes)
        case StartContainer():
            return Note("engine", f"docker stop {shlex.quote(step.name)} > /dev/null\n")
        case MendRows() | DisconnectEndpoint() | RemoveVxlan() | HoldAddresses() | RejoinNetwork():
            # What they change was a fault, seen twice: to bring it back would help nobody. A container that
            # is taken off a network is put there again by the step itself, also where the step fails; a run
            # that is killed between the two leaves it off.
            return None
        case _:
            return None


def set_aside(step: Step) -> tuple[Change, Note] | None:
    """The command that puts away what a step replaces, and the note that removes it once all is settled;
    None where a step replaces nothing that could be put back."""
    if not (isinstance(step, RunContainer) and step.replace):
        return None
    aside = step.name + ASIDE
    remove = Note("settle", _if_there("container", aside, f"docker rm -fv {shlex.quote(aside)}"))
    return change_script(_SET_ASIDE, step.name, aside), remove


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


def _if_there(kind: str, name: str, act: str) -> str:
    return f"! docker {kind} inspect {shlex.quote(name)} > /dev/null 2>&1 || {act} > /dev/null || exit\n"
