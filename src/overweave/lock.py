"""The fleet lock: no two runs change a host at once, and none that died keeps others out.

On every host a program holds a lock of the kernel (flock) for as long as the run's ssh connection lives and
its heartbeat comes: a run that is killed frees it at once, a machine that loses its power after
`PATIENCE_SECONDS`. The program then takes back what the run had begun and not settled (see `undo`), before
anybody else gets the lock.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from random import uniform

from .audit import Run
from .audit import now as utc_now
from .command import change_script
from .errors import ConnectionProblem, DeadlineExceeded, OverweaveError, Refused
from .fleet import Cancel, each
from .ports import Clock, Progress, Stream, Writer
from .printable import one_line
from .render import script
from .undo import TAKE_BACK
from .waiting import wait_until

PATH = "/run/overweave/lock"
BEAT_SECONDS = 3.0
PATIENCE_SECONDS = 20
ANSWER_SECONDS = 180.0
"""The longest that a host may need to take back what a dead run left, before it gives the lock."""


class Locked(Refused):
    """Another run has the lock of some hosts."""


@dataclass
class FleetLock:
    """Held locks. ``streams`` are those to the programs that hold them, ``heard`` says when each host was
    last heard to hold it."""

    clock: Clock
    streams: dict[str, Stream] = field(default_factory=dict)
    heard: dict[str, float] = field(default_factory=dict)

    def check(self, host: str) -> None:
        """Raises `ConnectionProblem` where the lock of a host is not, or not surely, held any more."""
        if host not in self.streams:
            return
        self._hear(host)
        if self.clock.monotonic() - self.heard[host] > PATIENCE_SECONDS - 2 * BEAT_SECONDS:
            raise ConnectionProblem(
                "the lock of this host is lost: it has not heard from this run for too long",
                host=host,
                hint="run the same command again",
            )

    def add(self, host: str, stream: Stream) -> None:
        stream.settimeout(0)
        self.heard[host] = self.clock.monotonic()
        self.streams[host] = stream

    def beat(self) -> None:
        """Tell every host that this run lives, and hear which of them still answer."""
        for host, stream in list(self.streams.items()):
            # Whatever paramiko raises must not end the beats of the other hosts; `check` will tell.
            with contextlib.suppress(Exception):
                stream.sendall(b"b")
            self._hear(host)

    def _hear(self, host: str) -> None:
        """Take in what the host has answered by now."""
        try:
            alive = self.streams[host].recv(4096)
        except (TimeoutError, BlockingIOError):
            return
        except Exception:  # of whatever kind: it holds nothing for us any more
            alive = b""
        self.heard[host] = self.clock.monotonic() if alive else float("-inf")

    def release(self) -> None:
        for stream in self.streams.values():
            with contextlib.suppress(OSError, EOFError):
                stream.settimeout(ANSWER_SECONDS)
                stream.sendall(b"q")
                # Until it has gone: whoever comes next must find the lock free.
                while stream.recv(100):
                    pass
            stream.close()
        self.streams.clear()


@contextlib.contextmanager
def hold(
    writers: Mapping[str, Writer],
    run: Run,
    *,
    wait_seconds: float,
    clock: Clock,
    cancel: Cancel,
    progress: Progress,
    changes: bool = True,
) -> Iterator[FleetLock]:
    """Hold the locks of all hosts, or of none. ``wait_seconds``: how long to wait for other runs.

    ``changes``: the run may change hosts; else what a dead run has left there stays as it is, and is told.
    Raises `Locked`, saying who holds them, from where, since when and for what.
    """
    held = FleetLock(clock)
    told = ""
    refused: list[Locked] = []

    def attempt() -> bool:
        nonlocal told
        refused[:] = _take(held, writers, run, cancel, progress, changes=changes)
        if not refused:
            return True
        held.release()
        if wait_seconds and str(refused[0]) != told:
            told = str(refused[0])
            progress("", f"waiting for the lock: {refused[0].message}")
        # Two that wait for each other's hosts must not try in step.
        clock.pause(uniform(0.05, 0.3))  # noqa: S311
        return False

    with _beating(held):
        try:
            try:
                wait_until(attempt, what="", seconds=wait_seconds, clock=clock)
            except DeadlineExceeded:
                raise refused[0] from None
            yield held
        finally:
            held.release()


@contextlib.contextmanager
def _beating(held: FleetLock) -> Iterator[None]:
    """From the first lock on: the last host may need long to answer."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(BEAT_SECONDS):
            held.beat()

    thread = threading.Thread(target=beat, name="overweave-lock", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _take(
    held: FleetLock,
    writers: Mapping[str, Writer],
    run: Run,
    cancel: Cancel,
    progress: Progress,
    *,
    changes: bool,
) -> list[Locked]:
    """Take all locks, and say which could not be taken. The first host comes alone: of two runs on the
    same hosts one gets it, and the other stops there."""
    names = sorted(writers, key=lambda name: (writers[name].host.access.address, name))
    by: dict[str, list[str]] = {}
    # One time for all hosts: who is told of it is told of one run.
    since = utc_now().strftime("%Y-%m-%d %H:%M:%S UTC")
    who = json.dumps({"who": run.who, "since": since, "task": run.task})

    def ask(name: str) -> str | None:
        return _ask(held, writers[name], who, cancel, progress, changes=changes)

    for group in (names[:1], names[1:]):
        for name, other in each(group, ask, cancel=cancel).all().items():
            if other is not None:
                by.setdefault(other, []).append(name)
        if by:
            break
    return [
        Locked(
            f"{', '.join(hosts)} in use: {other}",
            hint="--wait-lock SECONDS waits for it; the lock ends with that run, also if its machine dies",
        )
        for other, hosts in by.items()
    ]


NEWS = {
    "back": "takes back what a run that died has left",
    "stuck": "warning: not all that a run that died has left could be taken back; the next run tries again",
    "left": "warning: a run that died has left changes here; the next deployment takes them back first",
}


def _ask(
    held: FleetLock, writer: Writer, who: str, cancel: Cancel, progress: Progress, *, changes: bool
) -> str | None:
    """Ask one host for its lock: None where it is ours now, else who has it."""
    mode = "change" if changes else "look"
    stream = writer.start(
        change_script(
            script("came-from.sh") + script("hold-lock.sh"),
            PATH,
            who,
            str(PATIENCE_SECONDS),
            mode,
            *TAKE_BACK,
        )
    )
    stream.settimeout(1)
    name = writer.host.name
    try:
        said = _lines(stream, held.clock, cancel)
        while (line := next(said)) in NEWS:
            progress(name, NEWS[line])
    except BaseException as e:
        stream.close()
        if isinstance(e, OSError):
            raise OverweaveError(
                "it does not answer whether it is locked",
                host=name,
                hint="is its disk full, or the host stuck? `ssh` there, then run the same command again",
            ) from e
        raise
    word, _, rest = line.strip().partition(" ")
    if word == "held":
        held.add(name, stream)
        return None
    stream.close()
    if word == "busy":
        return _holder(rest)
    raise OverweaveError(
        f"it can't be locked: `flock` on {PATH} failed",
        host=name,
        hint="flock and timeout come with util-linux and coreutils; is /run writable?",
    )


def _lines(stream: Stream, clock: Clock, cancel: Cancel) -> Iterator[str]:
    """What a host says, line by line; what there is where it stops, says too much, or takes too long."""
    answer = b""
    until = clock.monotonic() + ANSWER_SECONDS
    while True:
        while b"\n" not in answer and len(answer) <= 4096 and clock.monotonic() <= until:
            cancel.check()
            with contextlib.suppress(TimeoutError):
                piece = stream.recv(4096)
                if not piece:
                    break
                answer += piece
        line, _, answer = answer.partition(b"\n")
        yield line.decode(errors="replace")


def _holder(text: str) -> str:
    """``10.0.0.5 {"who": …}`` as words; somebody else wrote it."""
    address, _, rest = text.partition(" ")
    try:
        said = json.loads(rest)
        who, since, task = (one_line(said[key], 100) for key in ("who", "since", "task"))
    except (ValueError, KeyError, TypeError, RecursionError):
        return "by somebody who does not say who"
    return f"{task} by {who} from {one_line(address, 50)} since {since}"
