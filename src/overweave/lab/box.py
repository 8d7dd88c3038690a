"""A Vagrant box for libvirt, built from Debian's packages alone, and kept for everybody on this machine.

The disk is written without mounting anything: a partition table, a file system that is made of a folder, and
GRUB in front of it. No loop device is needed, so it can be built in a container, too.
"""

from __future__ import annotations

import hashlib
import inspect
import io
import json
import os
import platform
import shutil
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from overweave.errors import LabUnavailable
from overweave.files import write_atomically

from . import describe, requirements
from .box_recipe import LABEL, box_recipe
from .image import Image, key, of, repository
from .locking import locked
from .shell import must
from .spec import box_root

PROGRAMS: Mapping[str, str] = {
    "setpriv": "util-linux",
    "unshare": "util-linux",
    "mmdebstrap": "mmdebstrap",
    "sfdisk": "fdisk",
    "mke2fs": "e2fsprogs",
    "grub-mkimage": "grub-common",
    "qemu-img": "qemu-utils",
}
"""Programs that a box is built with, and the Debian packages that bring them."""

GRUB = Path("/usr/lib/grub/i386-pc")
DISK_GB = 10
SECTOR = 512
FIRST_SECTOR = 2048
"""Where the partition begins; GRUB's program has the sectors before it."""

# Named one by one, because the defaults of later versions of mke2fs are unknown to the kernel of bullseye.
FEATURES = (
    "none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,"
    "sparse_super,large_file,huge_file,dir_nlink,extra_isize,metadata_csum"
)
MODULES = ("biosdisk", "part_msdos", "ext2", "linux", "boot", "normal", "minicmd")

VAGRANTFILE = """\
Vagrant.configure("2") do |config|
  config.vm.guest = :debian
  config.vm.synced_folder ".", "/vagrant", disabled: true
  config.vm.provider :libvirt do |lv|
    lv.disk_bus = "virtio"
    lv.nic_model_type = "virtio"
  end
end
"""


@dataclass(frozen=True)
class Box:
    """A finished box: ``catalog`` is what ``vagrant box add`` takes, ``inventory`` names the container images
    that go with it, for machines without the Internet."""

    suite: str

    @property
    def name(self) -> str:
        return f"overweave/{self.suite}"

    @property
    def folder(self) -> Path:
        return box_root() / self.suite

    @property
    def catalog(self) -> Path:
        return self.folder / "catalog.json"

    @property
    def inventory(self) -> Path:
        return self.folder / "inventory.yml"

    @property
    def version(self) -> str:
        """When it was built, so that a later one is a higher version."""
        found: str = json.loads(self.catalog.read_text())["versions"][0]["version"]
        return found


def ensure(suite: str, progress: Callable[[str], None], mirror: str = "") -> tuple[Box, bool]:
    """The box of a suite, built now unless there is one of this recipe; and whether it was.

    ``mirror``: address of a mirror of Debian; "": mmdebstrap's own. Two builders wait for each other, and
    what a killed one left is removed.

    Raises `UsageError` for an unknown suite, `LabUnavailable` that names what this machine lacks.
    """
    wanted, box = box_recipe(suite), Box(suite)
    decided = total(key(wanted))
    if _built(box) == decided:
        return box, False
    _check()
    box_root().mkdir(parents=True, exist_ok=True)
    with locked(box_root() / f"{suite}.lock"):
        if _built(box) == decided:
            return box, False
        partial = box.folder.with_name(f".{suite}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        try:
            _build(box, of(wanted, progress, mirror), partial, progress)
            write_atomically(partial / "sum", decided)
            shutil.rmtree(box.folder, ignore_errors=True)
            partial.rename(box.folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return box, True


def total(image: str) -> str:
    """A sum of all that decides a box's content: the key of its ``image``, and the code that makes a disk of
    that."""
    code = "".join(inspect.getsource(it) for it in (_build, write_disk, metadata, catalog))
    decisive = f"{image}{code}{VAGRANTFILE}{FEATURES}{MODULES}{DISK_GB}"
    return hashlib.sha256(decisive.encode()).hexdigest()


def _built(box: Box) -> str:
    try:
        return (box.folder / "sum").read_text()
    except FileNotFoundError:
        return ""


def _check() -> None:
    if platform.machine() != "x86_64":
        raise LabUnavailable(
            f"a box is of amd64, and this machine is of {platform.machine()}",
            hint="build it on a machine of amd64, or use a public box",
        )
    packages = requirements.missing_packages(PROGRAMS, lambda program: shutil.which(program) is not None)
    if not (GRUB / "boot.img").exists():
        packages.append("grub-pc-bin")
    if not requirements.DEBIAN_KEYS.exists():
        packages.append("debian-archive-keyring")
    root = os.geteuid() == 0
    if packages or not root:
        raise requirements.explain(root=root, packages=sorted(packages), purpose="build a box")


def _build(box: Box, image: Image, folder: Path, progress: Callable[[str], None]) -> None:
    progress("writing the disk")
    write_disk(image.rootfs, folder)
    progress("packing the box")
    file = folder / f"{box.suite}.libvirt.box"
    with tarfile.open(file, "w") as archive:
        for name, text in (("metadata.json", json.dumps(metadata())), ("Vagrantfile", VAGRANTFILE)):
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(text.encode()), 0o644
            archive.addfile(info, io.BytesIO(text.encode()))
        archive.add(folder / "box.img", "box.img")
    (folder / "box.img").unlink()
    archives = {name: path.name for name, path in image.archives.items()}
    for path in image.archives.values():
        shutil.copy(path, folder)
    names = {repository(name): name for name in archives}
    made_for = {name: box.folder / file for name, file in archives.items()}
    store = next((names[kind] for kind in ("consul", "etcd") if kind in names), "")
    text = describe.images(store=store, probe=names["busybox"], archives=made_for)
    write_atomically(folder / "inventory.yml", text)
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    version = datetime.now(UTC).strftime("%Y%m%d.%H%M%S.0")
    told = catalog(box.name, version, box.folder / file.name, digest)
    write_atomically(folder / "catalog.json", json.dumps(told, indent=2) + "\n")


def write_disk(rootfs: Path, folder: Path) -> None:
    """``box.img`` in a folder: a disk of `DISK_GB` that boots by BIOS into a copy of ``rootfs``, as qcow2."""
    raw, core, size = folder / "raw", folder / "core.img", DISK_GB << 30
    with raw.open("wb") as file:
        file.truncate(size)
    table = f"label: dos\nlabel-id: 0x6f766572\nstart={FIRST_SECTOR}, type=83, bootable\n"
    must("sfdisk", "--quiet", str(raw), stdin=table.encode())
    begin = FIRST_SECTOR * SECTOR
    must(
        *("mke2fs", "-q", "-F", "-t", "ext4", "-L", LABEL, "-m", "1", "-O", FEATURES),
        *("-E", f"offset={begin},lazy_itable_init=1,nodiscard", "-d", str(rootfs)),
        *(str(raw), f"{(size - begin) >> 10}k"),
        timeout=600,
    )
    prefix = "(hd0,msdos1)/boot/grub"
    must("grub-mkimage", "-O", "i386-pc", "-o", str(core), "-p", prefix, *MODULES)
    program = core.read_bytes()
    assert len(program) <= (FIRST_SECTOR - 1) * SECTOR
    with raw.open("r+b") as file:
        # Up to here it is a program, and behind it the partition table.
        file.write((GRUB / "boot.img").read_bytes()[:440])
        file.seek(SECTOR)
        file.write(program)
    compressed = ("-c", "-o", "compression_type=zstd")
    must(*("qemu-img", "convert", "-O", "qcow2", *compressed, str(raw), str(folder / "box.img")), timeout=600)
    raw.unlink()
    core.unlink()


def metadata() -> Mapping[str, Any]:
    """What vagrant-libvirt reads in a box."""
    return {"provider": "libvirt", "format": "qcow2", "virtual_size": DISK_GB}


def catalog(name: str, version: str, file: Path, sha256: str) -> Mapping[str, Any]:
    """What Vagrant reads of a box that has versions."""
    provider = {
        "name": "libvirt",
        "url": file.as_uri(),
        "checksum_type": "sha256",
        "checksum": sha256,
    }
    return {"name": name, "versions": [{"version": version, "providers": [provider]}]}
