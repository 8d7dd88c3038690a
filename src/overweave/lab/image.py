"""An engine's image: a root file system and container images, built once and kept in the cache."""

from __future__ import annotations

import hashlib
import inspect
import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from overweave.errors import LabUnavailable
from overweave.files import write_atomically

from . import archives, recipe
from .locking import locked
from .shell import run
from .spec import cache_root

BUILD_SECONDS = 900


@dataclass(frozen=True)
class Image:
    """A finished image in the cache."""

    folder: Path

    @property
    def rootfs(self) -> Path:
        return self.folder / "rootfs"

    @property
    def archives(self) -> Mapping[str, Path]:
        """Container images by name, as files that ``docker load`` takes."""
        self.require()
        names: dict[str, str] = json.loads((self.folder / "images.json").read_text())
        return {name: self.folder / file for name, file in names.items()}

    def require(self) -> None:
        """Raises `LabUnavailable` if somebody removed the image from the cache."""
        if not self.rootfs.is_dir():
            raise LabUnavailable(
                f"{self.folder} is gone", hint="the lab was made of it: lab.down, then lab.up"
            )


def container_images(images: Iterable[Image]) -> Mapping[str, Path]:
    """Container images by name, as `Image.archives` has them: of each repository the first image's."""
    found: dict[str, tuple[str, Path]] = {}
    for image in images:
        for name, path in image.archives.items():
            found.setdefault(repository(name), (name, path))
    return dict(found.values())


def repository(name: str) -> str:
    """Of a container image, as ``consul`` of ``consul:1.8.7``."""
    return name.partition(":")[0]


def key(wanted: recipe.Recipe) -> str:
    """Name of an image in the cache: the suite and 12 hex digits of all that decides its content.

    The code that turns a recipe into files decides too, so it is part of the sum.
    """
    total = hashlib.sha256(json.dumps(asdict(wanted), sort_keys=True).encode())
    for code in (_build, archives):
        total.update(inspect.getsource(code).encode())
    return f"{wanted.suite}-{total.hexdigest()[:12]}"


def cached(engine: str) -> Image | None:
    """The image of an engine if it was built already. Raises `UsageError` for an unknown engine."""
    image = Image(cache_root() / key(recipe.recipe(engine)))
    return image if image.folder.is_dir() else None


def ensure(engine: str, progress: Callable[[str], None]) -> Image:
    """The image of an engine, as `of` makes it."""
    return of(recipe.recipe(engine), progress)


def of(wanted: recipe.Recipe, progress: Callable[[str], None], mirror: str = "") -> Image:
    """The image of a recipe, built now if the cache has none of it. ``mirror``: address of one of Debian's;
    "": mmdebstrap's own.

    Two builders wait for each other. A build that is killed leaves a folder that nobody takes for an
    image, and that the next build removes.
    """
    image = Image(cache_root() / key(wanted))
    # Its programs are old on purpose, and some are setuid: nobody else on this machine may run them.
    cache_root().mkdir(parents=True, exist_ok=True)
    cache_root().chmod(0o700)
    if image.folder.is_dir():
        return image
    with locked(cache_root() / f"{wanted.suite}.lock"):
        for stale in cache_root().glob(f".{wanted.suite}-*.partial"):
            shutil.rmtree(stale)
        if image.folder.is_dir():
            return image
        partial = image.folder.with_name(f".{image.folder.name}.partial")
        partial.mkdir(parents=True)
        try:
            _build(wanted, Image(partial), progress, mirror)
            partial.rename(image.folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return image


def _build(wanted: recipe.Recipe, image: Image, progress: Callable[[str], None], mirror: str) -> None:
    progress(f"building the image of {wanted.suite}: about half a minute, once")
    hook = image.folder / "customize"
    hook.write_text(wanted.customize)
    # In a pid namespace of its own, and killed with us: nothing of a killed build goes on downloading.
    built = run(
        *("setpriv", "--pdeathsig", "KILL"),
        *("unshare", "--pid", "--fork", "--kill-child", "--mount", "--mount-proc"),
        *("mmdebstrap", "--quiet", "--variant=minbase", "--format=directory"),
        f"--include={','.join(wanted.packages)}",
        f'--customize-hook=chroot "$1" sh -eu < {hook}',
        wanted.suite,
        str(image.rootfs),
        *([mirror] if mirror else []),
        timeout=BUILD_SECONDS,
    )
    if not built.ok:
        end = "\n".join(f"    {line}" for line in built.output.splitlines()[-10:])
        raise LabUnavailable(
            f"the image of {wanted.suite} could not be built:\n{end}",
            hint="it is made of Debian packages: this machine must reach a mirror of Debian, once",
        )
    hook.unlink()
    for name, (mode, text) in wanted.files.items():
        path = image.rootfs / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
    progress("packing the container images")
    write_atomically(image.folder / "images.json", json.dumps(archives.make(image.rootfs, image.folder)))
