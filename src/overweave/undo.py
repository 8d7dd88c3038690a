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
from .facts.store_service import UNIT as STORE
from .facts.store_service import UNIT_FILE
from .model import CONTAINER
from .render import render, script
from .steps import (
    RELOAD,
    ConnectContainer,
    CreateNetwork,
    DisconnectEndpoint,
    ForgetAgent,
    HoldAddresses,
    InstallUnit,
    LeaveNetwork,
    MendRows,
    MoveStore,
    ProvideImage,
    PutKeys,
    RecordBefore,
    RejoinNetwork,
    RemoveVxlan,
    RestartEngine,
    RunContainer,
    RunService,
    StartContainer,
    StartService,
    Step,
    TellLeft,
    WriteFile,
    WriteSecret,
)
from .stores import consul

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
_COPY_ASIDE = '[ ! -e "$1" ] || [ -e "$2" ] || cp -p "$1" "$2"'
_BRING_BACK = """\
docker container inspect {aside} > /dev/null 2>&1 || exit 0
docker rm -fv {name} > /dev/null 2>&1
docker rename {aside} {name} && docker update --restart always {name} > /dev/null || exit
docker start {name} > /dev/null
"""
_NO_UNIT = """\
systemctl --quiet disable {unit} 2> /dev/null
systemctl --no-block --quiet stop {unit} 2> /dev/null
rm -f {files} /var/lib/systemd/timers/stamp-{unit}
rmdir {folder} 2> /dev/null
true
"""
_NO_SERVICE = """\
systemctl --quiet disable {unit} 2> /dev/null
timeout 60 systemctl stop {unit} 2> /dev/null
rm -rf {files}
systemctl daemon-reload
systemctl reset-failed {unit} 2> /dev/null
true
"""
_OLD_SERVICE = """\
printf %s {text} > {path}.new && mv {path}.new {path} && systemctl daemon-reload || exit
systemctl --quiet enable {unit}
systemctl reset-failed {unit} 2> /dev/null
# At a boot its engine waits for it, and it for this.
systemctl --no-block {verb} {unit}
"""
_START_SERVICE = "systemctl --quiet enable {0} && systemctl --no-block start {0}\n"
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
    """``kind``: ``file`` needs no engine, ``service`` comes behind those and needs none either, ``engine``
    needs one that runs, ``restart`` says that the engine is to be restarted and what follows that;
    ``settle`` is for when the changes stay. ``text`` is for a POSIX shell, and may be run twice."""

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
        case WriteSecret(there=True):
            path, aside = shlex.quote(step.path), shlex.quote(step.path + ASIDE)
            again = f" || exit\n{RELOAD}" if step.reload else "\n"
            return Note("file", f"[ ! -e {aside} ] || mv {aside} {path}{again}")
        case WriteSecret():
            folder = f"rmdir $(dirname {shlex.quote(step.path)}) 2> /dev/null\n" if step.new_folder else ""
            return Note("file", f"rm -f {shlex.join((step.path, f'{step.path}.new'))}\n{folder}true\n")
        case InstallUnit(previous=previous) if not previous:
            files = shlex.join([name for path in step.files for name in (path, f"{path}.new")])
            return Note("file", _NO_UNIT.format(unit=step.unit, files=files, folder=step.folder))
        case InstallUnit():
            back = [
                f"printf %s {shlex.quote(text)} > {shlex.quote(path)}\n"
                for path, text in step.previous.items()
            ]
            return Note("file", "".join(back) + "true\n")
        case RestartEngine():
            start = "".join(_START.format(shlex.quote(name)) for name in step.stops) + _END * bool(step.stops)
            if step.same:
                return Note("engine", start or "true\n")
            return Note("restart", start)
        case ProvideImage():
            return Note("engine", _REMOVE_IMAGE.format(shlex.quote(step.image)))
        case RunContainer(replace=True):
            return Note("engine", _bring_back(step.name))
        case RunContainer():
            volumes = "".join(
                _if_there("volume", volume, f"docker volume rm {shlex.quote(volume)}")
                for volume in step.new_volumes
            )
            remove = f"docker rm -fv {shlex.quote(step.name)}"
            return Note("engine", _if_there("container", step.name, remove) + volumes)
        case RunService(previous=""):
            files = shlex.join([step.path, f"{step.path}.new", *([step.new_data] if step.new_data else [])])
            return Note("service", _NO_SERVICE.format(unit=step.unit, files=files))
        case RunService():
            path, text = shlex.quote(step.path), shlex.quote(step.previous)
            verb = "restart" if step.replace else "stop"
            return Note("service", _OLD_SERVICE.format(unit=step.unit, path=path, text=text, verb=verb))
        case StartService():
            return Note("service", f"systemctl --no-block stop {step.unit}\n")
        case MoveStore(to="service"):
            return Note("engine", f"rm -rf {consul.DATA}\n" + _bring_back(consul.CONTAINER))
        case MoveStore():
            volume = _if_there("volume", consul.VOLUME, f"docker volume rm {consul.VOLUME}")
            return Note("engine", volume + _START_SERVICE.format(STORE))
        case CreateNetwork():
            return Note(
                "engine", _if_there("network", step.name, f"docker network rm {shlex.quote(step.name)}")
            )
        case ConnectContainer():
            words = shlex.join(("docker", "network", "disconnect", "-f", step.network, step.container))
            # It may not have been there yet.
            return Note("engine", f"{words} > /dev/null 2>&1\ntrue\n")
        case StartContainer():
            return Note("engine", f"docker stop {shlex.quote(step.name)} > /dev/null\n")
        case (
            MendRows() | DisconnectEndpoint() | RemoveVxlan() | HoldAddresses() | RejoinNetwork() | PutKeys()
        ):
            # What they change was a fault, seen twice: to bring it back would help nobody. A container that
            # is taken off a network is put there again by the step itself, also where the step fails; a run
            # that is killed between the two leaves it off.
            return None
        case LeaveNetwork() | ForgetAgent() | TellLeft():
            # They are of a removal, which goes on where it was broken off.
            return None
        case _:
            return None


def set_aside(step: Step) -> tuple[Change, Note] | None:
    """The command that puts away what a step replaces, and the note that removes it once all is settled;
    None where a step replaces nothing that could be put back."""
    if isinstance(step, WriteSecret) and step.there:
        # Not in the note: it lies on the disk, and in the memory of this process.
        aside = step.path + ASIDE
        return change_script(_COPY_ASIDE, step.path, aside), Note("settle", f"rm -f {shlex.quote(aside)}\n")
    if isinstance(step, MoveStore) and step.to == CONTAINER:
        gone = _NO_SERVICE.format(unit=STORE, files=shlex.join([UNIT_FILE, consul.DATA]))
        return change_script('timeout 60 systemctl stop "$1"', STORE), Note("settle", gone)
    if not (isinstance(step, MoveStore) or (isinstance(step, RunContainer) and step.replace)):
        return None
    name = step.name if isinstance(step, RunContainer) else consul.CONTAINER
    aside = name + ASIDE
    remove = _if_there("container", aside, f"docker rm -fv {shlex.quote(aside)}")
    if isinstance(step, MoveStore):
        remove += _if_there("volume", consul.VOLUME, f"docker volume rm {consul.VOLUME}")
    if isinstance(step, MoveStore) and step.image:
        remove += _if_there("image", step.image, f"docker rmi {shlex.quote(step.image)}")
    return change_script(_SET_ASIDE, name, aside), Note("settle", remove)


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


def _bring_back(name: str) -> str:
    return _BRING_BACK.format(name=shlex.quote(name), aside=shlex.quote(name + ASIDE))


def _if_there(kind: str, name: str, act: str) -> str:
    return f"! docker {kind} inspect {shlex.quote(name)} > /dev/null 2>&1 || {act} > /dev/null || exit\n"
