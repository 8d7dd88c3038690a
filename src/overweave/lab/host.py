"""One host: a booted systemd machine with a disk of its own, reached by ssh or from here."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path

from overweave.command import Result
from overweave.errors import ConnectionProblem, OverweaveError

from . import cgroups, network
from .image import Image
from .shell import ENVIRONMENT, must, run, write_atomically
from .spec import Spec
from .waiting import wait_for

STOP_SECONDS = 30

# The lock of the lab is this script's standard input: whoever takes the lab down waits until the
# process can be found. The mounts are private, so they end with the last process and never show up
# in the machine's own mount table.
LAUNCH = """\
set -eu
record=$1 layers=$2 root=$3
shift 3
while [ "$1" != -- ]; do
    echo $$ > "$1/cgroup.procs"
    shift
done
shift
echo "$$ $(cut -d ' ' -f 22 /proc/$$/stat)" > "$record.new"
mv "$record.new" "$record"
exec < /dev/null
exec unshare --mount --propagation slave sh -c '
    mount -t overlay -o "$1" overlay "$2"
    shift 2
    exec "$@"
' sh "$layers" "$root" "$@"
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
        return str(self.spec.address(self.number))

    @property
    def folder(self) -> Path:
        return self.spec.folder / "hosts" / self.name

    @property
    def console(self) -> Path:
        """Everything that the host printed to its console since it was made."""
        return self.folder / "console.log"

    @property
    def running(self) -> bool:
        return bool(self._first())

    @property
    def pid(self) -> int:
        """Id, on this machine, of the host's process 1. Raises `ConnectionProblem` if it is off."""
        if first := self._first():
            return first
        raise ConnectionProblem("is powered off", host=self.name)

    def run(self, words: tuple[str, ...], *, stdin: bytes = b"", timeout: float = 60) -> Result:
        """Run a program as root in all of the host's namespaces, without ssh.

        The exit code is the caller's to judge. Raises `ConnectionProblem` if the host is off and
        `DeadlineExceeded` after ``timeout`` seconds.
        """
        inside = ("nsenter", "--all", "--target", str(self.pid), "--")
        result = run(*inside, *words, stdin=stdin, timeout=timeout, host=self.name)
        return Result(type(result.command)(words, stdin), result.status, result.stdout, result.stderr)

    def log(self, lines: int = 15) -> str:
        """The end of the host's journal, or of its console if the journal can't be read any more."""
        try:
            journal = self.run(("journalctl", "--no-pager", "--output=short-monotonic", f"--lines={lines}"))
            if journal.ok and journal.stdout:
                return journal.stdout
        except OverweaveError:
            pass
        try:
            return "\n".join(self.console.read_text(errors="replace").splitlines()[-lines:])
        except FileNotFoundError:
            return "(it was never started)"

    def prepare(self, authorized_key: str) -> None:
        """Make the host's disk, with an identity of its own; a disk that is there is kept."""
        etc = self.folder / "upper" / "etc"
        if (etc / "ssh" / "ssh_host_ed25519_key.pub").exists():
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        for path in (etc / "ssh", self.folder / "work", self.folder / "root", self.folder / "docker"):
            path.mkdir(parents=True)
        write_atomically(etc / "hostname", f"{self.name}\n")
        write_atomically(etc / "machine-id", f"{uuid.uuid4().hex}\n", 0o444)
        write_atomically(etc / "ssh" / "lab_authorized_keys", authorized_key)
        key = etc / "ssh" / "ssh_host_ed25519_key"
        fresh = key.with_name("fresh")
        must("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"root@{self.name}", "-f", str(fresh))
        fresh.rename(key)
        fresh.with_name("fresh.pub").rename(key.with_name(f"{key.name}.pub"))

    @property
    def public_key(self) -> str:
        """Type and value of the host's ssh key."""
        words = (self.folder / "upper/etc/ssh/ssh_host_ed25519_key.pub").read_text().split()
        return " ".join(words[:2])

    def start(self, lock: int) -> None:
        """Boot, with a fresh cable; returns at once. ``lock`` is the descriptor of the lab's lock."""
        network.plug_in(self.spec, self.number)
        groups = [Path(folder, self.name) for folder in self.spec.cgroups]
        for group in groups:
            cgroups.make(group)
        image, root = Image(Path(self.spec.image)), self.folder / "root"
        layers = f"lowerdir={image.rootfs},upperdir={self.folder / 'upper'},workdir={self.folder / 'work'}"
        namespace = self.spec.namespace(self.number)
        nspawn = (
            *("systemd-nspawn", "--quiet", "--boot", f"--directory={root}"),
            *(f"--machine={namespace}", f"--hostname={self.name}", "--register=no", "--keep-unit"),
            *(f"--network-namespace-path=/run/netns/{namespace}", "--resolv-conf=off", "--timezone=off"),
            *("--link-journal=no", "--capability=all", "--system-call-filter=add_key keyctl bpf"),
            # overlay2 can't use another overlay as its upper layer.
            f"--bind={self.folder / 'docker'}:/var/lib/docker",
        )
        environment = {
            **ENVIRONMENT,
            "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network",
            "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1" if cgroups.unified() else "0",
        }
        with self.console.open("ab") as console:
            script = ("sh", "-c", LAUNCH, "sh", str(self.folder / "process"), layers, str(root))
            subprocess.run(
                ("setsid", "--fork", *script, *map(str, groups), "--", *nspawn),
                stdin=lock,
                stdout=console,
                stderr=console,
                env=environment,
                check=True,
            )

    def shut_down(self) -> None:
        """Power off in an orderly way, and wait for it."""
        if self.running:
            os.kill(self.pid, signal.SIGRTMIN + 4)
        wait_for(lambda: not self.processes, STOP_SECONDS, "powering off", host=self.name)
        self._unplug()

    def kill(self) -> None:
        """Power off as a cut cable does: every process is killed at once. No error if it is off."""
        wait_for(self._killed, STOP_SECONDS, "the end of its last process", host=self.name)
        self._unplug()

    def erase(self) -> None:
        """Kill the host and remove all that it was."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def processes(self) -> set[int]:
        """Ids, on this machine, of all processes of the host, whoever started them."""
        return cgroups.processes(Path(folder, self.name) for folder in self.spec.cgroups)

    def _killed(self) -> bool:
        first = self._first()
        # Process 1 takes its whole pid namespace along, so nothing is left to start anything new.
        for pid in [first] if first else self.processes:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        return not self.processes

    def _unplug(self) -> None:
        network.unplug(self.spec, self.number)
        cgroups.remove(Path(folder, self.name) for folder in self.spec.cgroups)
        (self.folder / "process").unlink(missing_ok=True)

    def _first(self) -> int:
        """Process 1 of the host, 0 if it is off. A pid alone proves nothing: pids are used again."""
        try:
            pid, start = (self.folder / "process").read_text().split()
            after_name = Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()
            if after_name[19] != start:
                return 0
            for child in Path("/proc", pid, "task", pid, "children").read_text().split():
                status = Path("/proc", child, "status").read_text().splitlines()
                inner = next(line for line in status if line.startswith("NSpid:")).split()
                if inner[-1] == "1" and len(inner) > 2:
                    return int(child)
        except (FileNotFoundError, ProcessLookupError):
            return 0
        return 0
