"""Labs: made, found again, grown and removed as a whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from ipaddress import IPv4Network
from pathlib import Path

from overweave.errors import LabUnavailable, UsageError
from overweave.files import write_atomically

from . import cgroups, describe, image, network, recipe, requirements
from .host import LabHost
from .locking import locked
from .machine import Machine
from .readiness import wait_until_up
from .shell import must
from .spec import SPEC, Spec, check_name, lock_file, parse_subnet, state_root

Progress = Callable[[str], None]
WIDTH = 8
"""Hosts that are started or removed at once."""


def _silent(_: str) -> None:
    pass


@dataclass(frozen=True)
class Lab:
    """A lab as it was asked for; its hosts may be off."""

    spec: Spec

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def hosts(self) -> tuple[LabHost, ...]:
        return tuple(LabHost(self.spec, number) for number in self.spec.numbers)

    def host(self, name: str) -> LabHost:
        """Raises `UsageError` if the lab has no host of that name."""
        for host in self.hosts:
            if host.name == name:
                return host
        raise UsageError(
            f"lab '{self.name}' has no host '{name}'", hint=f"it has host1 to host{self.spec.count}"
        )

    @property
    def key(self) -> Path:
        """The operator's private ssh key."""
        return self.spec.folder / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        return self.spec.folder / "known_hosts"

    @classmethod
    def load(cls, name: str = "lab") -> Lab:
        """Find a lab that was begun, also one whose `up` was killed.

        Raises `UsageError` if there is none, and `LabUnavailable` unless root asks.
        """
        check_name(name)
        labs = {lab.name: lab for lab in cls.all()}
        if name not in labs:
            raise no_lab(name, labs)
        return labs[name]

    @classmethod
    def all(cls) -> list[Lab]:
        """Every lab that was begun, by name. Raises `LabUnavailable` unless root asks."""
        if state_root().exists() and not os.access(state_root(), os.R_OK, effective_ids=True):
            raise requirements.explain(root=False)
        names = sorted(path.parent.name for path in state_root().glob(f"*/{SPEC}"))
        return [cls(spec) for name in names if (spec := Spec.read(name))]

    @classmethod
    def up(
        cls,
        name: str = "lab",
        hosts: int | None = None,
        subnet: str | None = None,
        engines: Sequence[str] = (),
        progress: Progress = _silent,
    ) -> Lab:
        """Make a lab, or make an existing one whole: hosts that are off are booted, missing ones are added.

        ``hosts`` is their number (None: as many as there are; in a new lab 3, or one for each engine),
        ``subnet`` an IPv4 range in CIDR form (None: as it is, the next free one of 10.96.0.0/16 in a new
        lab). ``engines`` are names of `recipe.RECIPES` that hosts take in turn (empty: as it is,
        `recipe.DEFAULT` in a new lab). Returns when every host answers ssh and has an active engine. What
        a failed or interrupted `up` made is removed.

        Raises `LabUnavailable` if this machine can't carry a lab, `UsageError` for arguments that make no
        sense or contradict the existing lab, `DeadlineExceeded` if a host does not come up.
        """
        check_name(name)
        wanted = None if subnet is None else parse_subnet(subnet)
        requirements.check(building=None in [image.cached(it) for it in engines or (recipe.DEFAULT,)])
        with _held(name) as lock:
            before = Spec.read(name)
            if before is None:
                named = tuple(engines) or (recipe.DEFAULT,)
                count = max(3, len(named)) if hosts is None else hosts
                lab = cls._begin(name, count, named, wanted, progress)
            else:
                lab = cls(_grown(before, hosts, tuple(engines), wanted))
            with lab._undone_on_failure(before):
                lab._make(lock, progress)
        return lab

    def down(self, progress: Progress = _silent) -> None:
        """Remove the lab and all that it made, whatever state it is in."""
        with _held(self.name):
            current = Spec.read(self.name)
            if current is not None:
                Lab(current)._remove()
                progress(f"lab '{self.name}' is gone")

    def inventory(self) -> str:
        """Text of an inventory file of this lab."""
        made = dict(zip(self.spec.engines, self.spec.images, strict=True))
        # The oldest first: an old engine's filter of system calls can be in the way of new programs.
        oldest = [image.Image(Path(made[engine])) for engine in recipe.RECIPES if engine in made]
        images = image.container_images(oldest)
        names = {image.repository(name): name for name in images}
        return describe.inventory(
            hosts={host.name: host.address for host in self.hosts},
            key=self.key,
            known_hosts=self.known_hosts,
            store=names.get(recipe.store(self.spec.engines), ""),
            probe=names["busybox"],
            archives=images,
        )

    def write_inventory(self, path: Path) -> None:
        """Write `inventory` to ``path`` in one step."""
        write_atomically(path, self.inventory())

    @classmethod
    def _begin(
        cls, name: str, hosts: int, engines: tuple[str, ...], subnet: IPv4Network | None, progress: Progress
    ) -> Lab:
        made = tuple(str(image.ensure(engine, progress).folder) for engine in engines)
        with locked(state_root() / "subnets.lock"):
            free = network.free_subnet(subnet, [lab.spec.network for lab in cls.all()])
            spec = Spec(name, engines, str(free), hosts, made, cgroups.lab_folders(name))
            if strangers := network.strangers(spec):
                raise LabUnavailable(
                    f"lab '{name}' would need names that are taken: {', '.join(strangers)}",
                    hint="remove what has them, or give the lab another name",
                )
            spec.save()
        return cls(spec)

    def _make(self, lock: int, progress: Progress) -> None:
        # Written before anything is made, so that whatever is made can be found.
        self.spec.save()
        Machine().enter(self.spec.folder)
        if not self.key.with_suffix(".pub").exists():
            self.key.unlink(missing_ok=True)
            must("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"lab {self.name}", "-f", str(self.key))
        public = self.key.with_suffix(".pub").read_text()
        network.make_bridge(self.spec)
        off = [host for host in self.hosts if not host.running]
        _each(off, lambda host: host.prepare(public))
        self._tell_names()
        if off:
            progress(f"starting {len(off)} of {self.spec.count} hosts in {self.spec.subnet}")
        _each(off, lambda host: _restart(host, lock))
        wait_until_up(self.hosts, progress if off else _silent)

    def _tell_names(self) -> None:
        addresses = {host.name: host.address for host in self.hosts}
        for host in self.hosts:
            (host.etc / "hosts").write_text(describe.etc_hosts(addresses))
        keys = {host.name: (host.address, host.public_key) for host in self.hosts}
        write_atomically(self.known_hosts, describe.known_hosts(keys))

    @contextmanager
    def _undone_on_failure(self, before: Spec | None) -> Iterator[None]:
        try:
            yield
        except BaseException:
            if before is None:
                self._remove()
            else:
                _each(self.hosts[before.count :], LabHost.erase)
                rest = Lab(replace(self.spec, count=before.count))
                rest.spec.save()
                # Hosts that were never made have no file to write to.
                with suppress(OSError):
                    rest._tell_names()
            raise

    def _remove(self) -> None:
        _each(self.hosts, LabHost.erase)
        network.remove_bridge(self.spec)
        cgroups.remove(map(Path, self.spec.cgroups))
        # The spec goes last: as long as it is there, what is left can be found and removed.
        for path in self.spec.folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != SPEC:
                path.unlink()
        Machine().leave(self.spec.folder)
        shutil.rmtree(self.spec.folder)


@contextmanager
def _held(name: str) -> Iterator[int]:
    """Hold a lab's lock, and see to the folder of all labs, which goes with the last one.

    Nobody else on this machine may look into it, as the hosts' disks hold keys and setuid programs. A
    host's own users must be able to read what is made for them, whatever the operator's umask is.
    """
    umask = os.umask(0o022)
    root = state_root()
    root.mkdir(parents=True, exist_ok=True)
    root.chmod(0o700)
    try:
        with locked(lock_file(name), keep=True) as lock:
            try:
                yield lock
            finally:
                if Spec.read(name) is None:
                    lock_file(name).unlink()
    finally:
        os.umask(umask)
        with suppress(OSError):
            root.rmdir()


def _restart(host: LabHost, lock: int) -> None:
    host.kill()
    host.start(lock)


def _grown(before: Spec, hosts: int | None, engines: tuple[str, ...], subnet: IPv4Network | None) -> Spec:
    """``before`` with the wanted number of hosts, if nothing else is wanted otherwise."""
    count = before.count if hosts is None else hosts
    as_it_is = (engines or before.engines, subnet or before.network) == (before.engines, before.network)
    if not as_it_is or count < before.count:
        raise UsageError(
            f"lab '{before.name}' is there already: {before.count} hosts, {','.join(before.engines)}, "
            f"{before.subnet}",
            hint="it can grow, but nothing else of it can change: lab.down first, or take another name",
        )
    for folder in before.images:
        image.Image(Path(folder)).require()
    grown = replace(before, count=count)
    if any(host.running for host in Lab(before).hosts):
        return grown
    # After a reboot the control groups are gone, and those that they were made in may be, too.
    cgroups.remove(map(Path, before.cgroups))
    return replace(grown, cgroups=cgroups.lab_folders(before.name))


def _each(hosts: Iterable[LabHost], work: Callable[[LabHost], None]) -> None:
    """Do ``work`` for every host, a few at once; the first error is raised when all have ended."""
    pool = ThreadPoolExecutor(WIDTH)
    try:
        futures = [pool.submit(work, host) for host in hosts]
        wait(futures)
    finally:
        pool.shutdown(cancel_futures=True)
    for future in futures:
        future.result()


def no_lab(name: str, there: Iterable[str]) -> UsageError:
    """What is told of a lab that is not there, with the names of those that are."""
    names = ", ".join(there)
    hint = f"there is {names}: choose with --name" if names else "`fab lab.up` makes one"
    return UsageError(f"there is no lab '{name}'", hint=hint)
