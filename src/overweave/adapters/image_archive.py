"""Image archives on the operator's side: are they what the inventory takes them for?"""

from __future__ import annotations

import json
import tarfile

from overweave.errors import UsageError
from overweave.model import Archive, tagged


def verify(image: str, archive: Archive) -> bool:
    """Whether this is ``docker save`` output; anything else is taken for a root file system.

    Raises `UsageError` where the file can't be read, is no tar, or holds other images.
    """
    try:
        with tarfile.open(archive.path) as tar:
            member = next((m for m in tar if m.name.removeprefix("./") == "manifest.json"), None)
            manifest = tar.extractfile(member) if member else None
            images = json.load(manifest) if manifest else None
    except (OSError, tarfile.TarError, EOFError, ValueError, RecursionError) as e:
        raise unreadable(image, archive, e) from e
    if images is None:
        return False
    tags = [
        tag
        for entry in (images if isinstance(images, list) else [])
        for tag in (entry.get("RepoTags") if isinstance(entry, dict) else None) or []
    ]
    if tagged(image) not in tags:
        raise holds_another(image, archive)
    return True


def unreadable(image: str, archive: Archive, error: Exception) -> UsageError:
    return UsageError(
        f"image archive {archive.path}: {getattr(error, 'strerror', None) or error}",
        hint=_hint(image, archive),
    )


def holds_another(image: str, archive: Archive) -> UsageError:
    return UsageError(f"image archive {archive.path} does not hold {image}", hint=_hint(image, archive))


def _hint(image: str, archive: Archive) -> str:
    return f"make it with `docker save -o {archive.path.name} {image}`"
