"""What a lab consists of. Every name it uses on the machine follows from here, and so can be removed."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from overweave.errors import LabUnavailable, UsageError
from overweave.files import write_atomically

from .recipe import DEFAULT

SPEC = "lab.json"
"""Name of the file that makes a folder a lab."""

VERSION = 2
"""Of that file. Version 1 had no number, and one image for all hosts, that of Debian 11."""

FIRST_ADDRESS = 11
"""Offset of host1 in the subnet. The machine itself has offset 1."""


def state_root() -> Path:
    """Where labs are kept: ``OVERWEAVE_LAB_STATE``, else /var/lib/overweave/lab."""
    return _root("OVERWEAVE_LAB_STATE", "/var/lib/overweave/lab")


def cache_root() -> Path:
    """Where images are kept: ``OVERWEAVE_LAB_CACHE``, else /var/cache/overweave/lab."""
    return _root("OVERWEAVE_LAB_CACHE", "/var/cache/overweave/lab")


def box_root() -> Path:
    """Where Vagrant boxes are kept: ``OVERWEAVE_BOX_CACHE``, else /var/cache/overweave/boxes."""
    return _root("OVERWEAVE_BOX_CACHE", "/var/cache/overweave/boxes")


def _root(variable: str, default: str) -> Path:
    path = os.environ.get(variable) or default
    if not re.fullmatch(r"/[A-Za-z0-9/._-]+", path):
        raise UsageError(
            f"{variable} is '{path}'",
            hint="an absolute path of letters, digits and . _ - is needed: mount options are made of it",
        )
    return Path(path)


def check_name(name: str) -> str:
    """Raises `UsageError` unless ``name`` fits into a network interface's 15 characters."""
    if not re.fullmatch(r"[a-z][a-z0-9]{0,7}", name):
        raise UsageError(
            f"'{name}' can't be the name of a lab",
            hint="1 to 8 lower-case letters and digits, a letter first: interface names are made of it",
        )
    return name


def lock_file(name: str) -> Path:
    return state_root() / f"{name}.lock"


def parse_subnet(text: str) -> IPv4Network:
    """Raises `UsageError` unless ``text`` is an IPv4 range in CIDR form."""
    try:
        return IPv4Network(text)
    except ValueError as error:
        raise UsageError(
            f"'{text}' can't be the subnet of a lab: {error}", hint="as in 10.96.1.0/24"
        ) from None


@dataclass(frozen=True)
class Spec:
    """``engines`` are those that hosts take in turn, ``images`` the folder of each one's image in the cache,
    ``cgroups`` the lab's own folders in the machine's control groups."""

    name: str
    engines: tuple[str, ...]
    subnet: str
    count: int
    images: tuple[str, ...]
    cgroups: tuple[str, ...]

    def __post_init__(self) -> None:
        """Raises `UsageError` if the subnet has no room for so many hosts."""
        room = self.network.num_addresses - FIRST_ADDRESS - 1
        if not 1 <= self.count <= min(room, 999):
            raise UsageError(
                f"a lab in {self.subnet} has 1 to {min(room, 999)} hosts, not {self.count}",
                hint="take fewer with --hosts, or a larger --subnet",
            )

    @property
    def network(self) -> IPv4Network:
        return IPv4Network(self.subnet)

    @property
    def folder(self) -> Path:
        return state_root() / self.name

    @property
    def lock(self) -> Path:
        """Lock file of all who change the lab. It is there as long as the lab is."""
        return lock_file(self.name)

    @property
    def bridge(self) -> str:
        return f"owbr-{self.name}"

    @property
    def gateway(self) -> IPv4Address:
        """The machine's own address on the lab's bridge."""
        return self.network[1]

    @property
    def numbers(self) -> range:
        return range(1, self.count + 1)

    def address(self, number: int) -> IPv4Address:
        return self.network[FIRST_ADDRESS + number - 1]

    def engine(self, number: int) -> str:
        """Which a host has."""
        return self.engines[(number - 1) % len(self.engines)]

    def image(self, number: int) -> Path:
        """Folder of the image that a host is made of."""
        return Path(self.images[(number - 1) % len(self.images)])

    def veth(self, number: int) -> str:
        """The machine's end of a host's cable."""
        return f"ow-{self.name}-{number}"

    def plug(self, number: int) -> str:
        """What takes the cable's place at the bridge while it is slow."""
        return f"os-{self.name}-{number}"

    def namespace(self, number: int) -> str:
        return f"overweave-{self.name}-host{number}"

    def save(self) -> None:
        text = json.dumps({"version": VERSION, **asdict(self)}, indent=2)
        write_atomically(self.folder / SPEC, text + "\n")

    @classmethod
    def read(cls, name: str) -> Spec | None:
        """The spec that a lab of this name was begun with, None if there is none.

        Raises `LabUnavailable` if a later Overweave wrote it.
        """
        try:
            found = json.loads((state_root() / name / SPEC).read_text())
        except FileNotFoundError:
            return None
        version = found.pop("version", 1)
        if version > VERSION:
            raise LabUnavailable(
                f"lab '{name}' was made by a later Overweave: {SPEC} has version {version}, not {VERSION}",
                hint="use that Overweave, also to take it down",
            )
        if version == 1:
            del found["suite"]
            found |= {"engines": [DEFAULT], "images": [found.pop("image")]}
        lists = {key: tuple(found[key]) for key in ("engines", "images", "cgroups")}
        return cls(**{**found, **lists})
