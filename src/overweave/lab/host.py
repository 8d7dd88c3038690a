"""One host: a booted systemd machine with a disk of its own, reached by ssh or from here."""

from __future__ import annotations

import os
import shutil
import signal
import uuid
from dataclasses import dataclass
from pathlib import Path

from overweave.command import Command, Result
from overweave.errors import ConnectionProblem, OverweaveError
from overweave.files import write_atomically

from . import cgroups, network, process
from .image import Image
from .recipe import recipe
from .shell import ENVIRONMENT, must, run
from .spec import Spec
from .waiting import wait_for

STOP_SECONDS = 30
NSPAWN = Path("/run/systemd/nspawn")

# The mounts are private: they end with the last process and never show in the machine's mount table.
BOOT = """\
set -eu
while [ "$1" != -- ]; do
    echo $$ > "$1/cgroup.procs"
    shift
done
shift
exec unshare --mount --propagation slave sh -c '
    set -eu
    mount -t overlay -o "$1" overlay "$2"
    shift 2
    exec "$@"
' sh "$@"
"""


@dataclass(frozen=True)
class LabHost:
    """A host of a lab, running or not."""

    spec: Spec
    number: int

    @property
    def name(self) -> str:
        return f"host{self.number}"

    @property
    def address(self) -> str:
        """Its IPv4 address on eth0."""
        return str(self.spec.address(self.number))

    @property
    def engine(self) -> str:
        """Which one it has, as the lab's recipes name it."""
        return self.spec.engine(self.number)

    @property
    def running(self) -> bool:
        return bool(self._first())

    @property
    def failed(self) -> bool:
        """Whether it was started, and ended without being told to."""
        return self._record.exists() and not process.living(self._record)

    @property
    def pid(self) -> int:
        """Id, on this machine, of the host's process 1. Raises `ConnectionProblem` if it is off."""
        if first := self._first():
            return first
        raise ConnectionProblem("is powered off", host=self.name, hint="lab.up boots what is off")

    def run(self, words: tuple[str, ...], *, stdin: bytes = b"", timeout: float = 60) -> Result:
        """Run a program as root in all of the host's namespaces, without ssh.

        The exit code is the caller's to judge. Raises `ConnectionProblem` if the host is off and
        `DeadlineExceeded` after ``timeout`` seconds.
        """
        inside = ("nsenter", "--all", "--target", str(self.pid), "--")
        result = run(*inside, *words, stdin=stdin, timeout=timeout, host=self.name)
        return Result(Command(words, stdin), result.status, result.stdout, result.stderr)

    def log(self, lines: int = 15) -> str:
        """The end of the host's journal, or of its console if the journal can't be read any more."""
        try:
            journal = self.run(("journalctl", "--no-pager", "--output=short-monotonic", f"--lines={lines}"))
        except OverweaveError:
            pass
        else:
            if journal.ok and journal.stdout:
                return journal.stdout
        try:
            return "\n".join(self.console.read_text(errors="replace").splitlines()[-lines:])
        except FileNotFoundError:
            return "(it was never started)"

    @property
    def folder(self) -> Path:
        return self.spec.folder / "hosts" / self.name

    @property
    def console(self) -> Path:
        """Everything that the host printed to its console since it was made."""
        return self.folder / "console.log"

    @property
    def etc(self) -> Path:
        """Its /etc as a folder of this machine, running or not."""
        return Path("/proc", str(self.pid), "root/etc") if self.running else self.folder / "upper/etc"

    @property
    def public_key(self) -> str:
        """Type and value of the host's ssh key."""
        words = (self.folder / "upper/etc/ssh/ssh_host_ed25519_key.pub").read_text().split()
        return " ".join(words[:2])

    def prepare(self, authorized_key: str) -> None:
        """Make the host's disk, with an identity of its own; a disk that is there is kept."""
        etc = self.folder / "upper/etc"
        if (etc / "ssh/ssh_host_ed25519_key.pub").exists():
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        for path in (etc / "ssh", self.folder / "work", self.folder / "root", self.folder / "docker"):
            path.mkdir(parents=True)
        write_atomically(etc / "hostname", f"{self.name}\n")
        write_atomically(etc / "machine-id", f"{uuid.uuid4().hex}\n", 0o444)
        write_atomically(etc / "ssh/lab_authorized_keys", authorized_key)
        fresh = etc / "ssh/fresh"
        must("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"root@{self.name}", "-f", str(fresh))
        fresh.rename(etc / "ssh/ssh_host_ed25519_key")
        fresh.with_name("fresh.pub").rename(etc / "ssh/ssh_host_ed25519_key.pub")

    def start(self, lock: int) -> None:
        """Boot, with a fresh cable; returns at once. ``lock`` is the descriptor of the lab's lock."""
        network.plug_in(self.spec, self.number)
        for group in self._groups:
            cgroups.make(group)
        root, namespace = self.folder / "root", self.spec.namespace(self.number)
        lower = Image(self.spec.image(self.number)).rootfs
        unified = cgroups.unified() or recipe(self.engine).unified
        layers = f"lowerdir={lower},upperdir={self.folder / 'upper'},workdir={self.folder / 'work'}"
        nspawn = (
            *("systemd-nspawn", "--quiet", "--boot", f"--directory={root}"),
            *(f"--machine={namespace}", f"--hostname={self.name}", "--register=no", "--keep-unit"),
            *(f"--network-namespace-path=/run/netns/{namespace}", "--resolv-conf=off", "--timezone=off"),
            *("--link-journal=no", "--capability=all", "--system-call-filter=add_key keyctl bpf"),
            # overlay2 can't use another overlay as its upper layer.
            f"--bind={self.folder / 'docker'}:/var/lib/docker",
        )
        process.start(
            self._record,
            ("sh", "-c", BOOT, "sh", *map(str, self._groups), "--", layers, str(root), *nspawn),
            log=self.console,
            lock=lock,
            environment={
                **ENVIRONMENT,
                # Without it the engine dies of "Enabling IP forwarding failed".
                "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network",
                "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1" if unified else "0",
            },
        )

    def shut_down(self) -> None:
        """Power off in an orderly way, and wait for it. No error if it is off."""
        if first := self._first():
            os.kill(first, signal.SIGRTMIN + 4)
            wait_for(lambda: not self.running, STOP_SECONDS, "powering off", host=self.name)
        self.kill()

    def kill(self) -> None:
        """Power off as a pulled plug does: every process is killed at once. No error if it is off."""
        wait_for(self._killed, STOP_SECONDS, "the end of its last process", host=self.name)
        network.unplug(self.spec, self.number)
        cgroups.remove(self._groups)
        self._record.unlink(missing_ok=True)
        # Left behind by a systemd-nspawn that was killed itself.
        for kind in ("propagate", "unix-export"):
            shutil.rmtree(NSPAWN / kind / self.spec.namespace(self.number), ignore_errors=True)

    def erase(self) -> None:
        """Kill the host and remove all that it was."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def processes(self) -> set[int]:
        """Ids, on this machine, of all processes of the host, whoever started them."""
        supervisor = process.living(self._record)
        return cgroups.processes(self._groups) | ({supervisor} if supervisor else set())

    @property
    def _record(self) -> Path:
        return self.folder / "process"

    @property
    def _groups(self) -> list[Path]:
        return [Path(folder, self.name) for folder in self.spec.cgroups]

    def _killed(self) -> bool:
        # Process 1 takes its whole pid namespace along; without it there is nothing to start new ones.
        first = self._first()
        for pid in [first] if first else self.processes:
            process.kill(pid)
        return not self.processes

    def _first(self) -> int:
        """Process 1 of the host, 0 if it is off."""
        supervisor = process.living(self._record)
        if not supervisor:
            return 0
        try:
            for child in Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split():
                status = Path("/proc", child, "status").read_text().splitlines()
                ids = next(line for line in status if line.startswith("NSpid:")).split()[1:]
                if len(ids) > 1 and ids[-1] == "1":
                    return int(child)
        except (FileNotFoundError, ProcessLookupError):
            return 0
        return 0
