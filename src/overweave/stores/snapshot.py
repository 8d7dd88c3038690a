"""A Consul snapshot as its API gives it: is it whole? A gzipped tar of ``meta.json``, ``state.bin`` and
``SHA256SUMS``. Pure.

The file is anybody's: it is read in pieces, and no more of it than a snapshot has.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from overweave.errors import UsageError
from overweave.printable import one_line

META, STATE, SUMS = "meta.json", "state.bin", "SHA256SUMS"
LONGEST = 32 << 20
"""Bytes of a snapshot, packed. One of 25 hosts and 100 containers takes 50 kB."""
UNPACKED = 512 << 20
"""Bytes that it may unpack to."""
SMALL = 1 << 20
"""Bytes of the files that are read as a whole."""
PIECE = 1 << 18
UNREADABLE = (
    tarfile.TarError,
    zlib.error,
    OSError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    RecursionError,
    OverflowError,
)
"""What reading a file that is none of ours may end with."""


@dataclass(frozen=True)
class Snapshot:
    """``index`` and ``term`` are raft's, at which it was made; ``made`` is in milliseconds since 1970, None
    where it does not tell."""

    index: int
    term: int
    made: int | None = None


def check(file: BinaryIO) -> Snapshot:
    """Read all of it. Raises `UsageError` where it is no snapshot, or not a whole one."""
    try:
        found, sums, meta = _contents(file)
    except UNREADABLE as e:
        raise UsageError(f"it is no Consul snapshot: {type(e).__name__}: {one_line(e, 200)}") from e
    for name in (META, STATE):
        if found.get(name) != sums.get(name) or name not in found:
            raise UsageError(f"the Consul snapshot is damaged: the checksum of {name} does not fit")
    return meta


def _contents(file: BinaryIO) -> tuple[dict[str, str], Mapping[str, str], Snapshot]:
    found: dict[str, str] = {}
    texts: dict[str, bytes] = {}
    with tarfile.open(mode="r:", fileobj=unpacked(file)) as tar:
        for member in tar:
            if member.name not in (META, STATE, SUMS) or member.name in found:
                raise ValueError(f"unexpected file {member.name!r:.80}")
            if not member.isreg() or member.issparse():
                raise ValueError(f"{member.name} is no plain file")
            content = tar.extractfile(member)
            assert content is not None
            digest = hashlib.sha256()
            kept = b""
            while piece := content.read(PIECE):
                digest.update(piece)
                if member.name != STATE:
                    kept += piece
                    if len(kept) > SMALL:
                        raise ValueError(f"{member.name} is too long")
            found[member.name] = digest.hexdigest()
            texts[member.name] = kept
    if missing := {META, STATE, SUMS} - found.keys():
        raise ValueError(f"there is no {', '.join(sorted(missing))}")
    meta = json.loads(texts[META])
    # As in 2-1016-1763792100123: term, index, and the time.
    made = re.fullmatch(r"\d+-\d+-(\d{1,15})", str(meta.get("ID", ""))[:80], re.ASCII)
    its = Snapshot(_whole(meta["Index"]), _whole(meta["Term"]), int(made[1]) if made else None)
    return found, _sums(texts[SUMS]), its


def _sums(text: bytes) -> dict[str, str]:
    found = re.findall(r"^([0-9a-f]{64})  (\S+)$", text.decode("ascii"), re.MULTILINE)
    return {name: digest for digest, name in found}


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r:.80} is no whole number")
    return value


def unpacked(file: BinaryIO) -> Any:
    """The tar inside, with those of tarfile's ways to read that an unpacked file takes."""
    return _Bounded(gzip.GzipFile(fileobj=file))


class _Bounded:
    """What tarfile reads from: a header may claim any size, and packed zeros have no end."""

    def __init__(self, file: gzip.GzipFile) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= SMALL:
            raise ValueError(f"{size} bytes at once")
        data = self._file.read(size)
        self._within()
        return data

    def seek(self, offset: int) -> int:
        # Forward it unpacks all that is passed over.
        if offset > UNPACKED:
            raise ValueError("it unpacks to too much")
        return self._file.seek(offset)

    def tell(self) -> int:
        return self._file.tell()

    def _within(self) -> None:
        if self._file.tell() > UNPACKED:
            raise ValueError("it unpacks to too much")
