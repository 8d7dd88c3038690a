"""A backup of the store: a plain tar of ``backup.json``, which says what it holds, and ``snapshot.tgz``, a
Consul snapshot, or ``keys.json``, the keys of an etcd. Pure.

The snapshot alone would do for Consul; what networks are in it can only be told by a Consul that has restored
it, and that is too late. The file may be anybody's by the time it is read.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from ipaddress import IPv4Network
from typing import Any

from .audit import stamp
from .errors import UsageError
from .facts import libnetwork
from .facts.libnetwork import Records
from .facts.typed import objects, text, texts, whole
from .model import Store
from .printable import one_line
from .stores import etcd_keys, snapshot, snapshot_contents
from .stores.etcd_keys import Keys
from .stores.snapshot import UNREADABLE

VERSION = 1
KIND = "overweave-store-backup"
ABOUT, SNAPSHOT, KEYS = "backup.json", "snapshot.tgz", "keys.json"
LONGEST = max(snapshot.LONGEST, etcd_keys.LONGEST) + (4 << 20)
"""Bytes of a backup."""
LONGEST_ABOUT = 2 << 20
GZIP = b"\x1f\x8b"
"""What every Consul snapshot begins with, and no tar."""


@dataclass(frozen=True)
class Network:
    """``vnis`` and ``subnets`` belong together; ``endpoints`` counts those that it had."""

    id: str
    name: str
    subnets: tuple[str, ...]
    vnis: tuple[int, ...]
    endpoints: int


@dataclass(frozen=True)
class About:
    """What a backup says of itself. ``hosts`` are those of the fleet, by name; ``engines`` those that were
    registered, as ``address:port``; ``index`` is raft's, of etcd that of its keys, and ``made_by`` the
    version of Overweave. ``etcd`` is the version of one, "" where it is of a Consul, whose version is
    ``consul``, "" where nobody knows that."""

    made: datetime
    made_by: str
    consul: str
    index: int
    hosts: tuple[str, ...]
    engines: tuple[str, ...]
    networks: tuple[Network, ...]
    etcd: str = ""

    @property
    def kind(self) -> str:
        """Of the store, as people write it."""
        return "etcd" if self.etcd else Store().title

    @property
    def program(self) -> str:
        """With its version."""
        return f"{self.kind} {self.etcd or self.consul or 'of a version that is not told'}"

    @property
    def told(self) -> str:
        """In a few words."""
        networks = ", ".join(its.name for its in self.networks) or "no network"
        return f"of {stamp(self.made, ' ')} with {networks}"

    def network(self, id_: str) -> Network | None:
        return next((its for its in self.networks if its.id == id_), None)


@dataclass(frozen=True)
class Backup:
    """``snapshot`` is for Consul's API, or what `etcd_keys.pack` has made."""

    about: About
    snapshot: bytes

    @property
    def keys(self) -> Keys:
        """Of an etcd. Raises `UsageError` of a Consul's."""
        return etcd_keys.unpack(self.snapshot)


def networks_of(records: Records) -> tuple[Network, ...]:
    """The networks that the store has now, in a fixed order."""
    counts: dict[str, int] = {}
    for endpoint in records.endpoints:
        counts[endpoint.network] = counts.get(endpoint.network, 0) + 1
    return tuple(
        Network(
            its.id,
            its.name,
            tuple(str(s.subnet) for s in its.subnets),
            tuple(s.vni for s in its.subnets),
            counts.get(its.id, 0),
        )
        for its in sorted(records.networks.values(), key=lambda n: (n.name, n.id))
    )


def about(
    records: Records, saved: bytes, *, made: datetime, made_by: str, consul: str, hosts: Sequence[str]
) -> About:
    """Raises `UsageError` where ``saved`` is no whole snapshot."""
    index = snapshot.check(io.BytesIO(saved)).index
    return _told(records, index, made=made, made_by=made_by, consul=consul, hosts=tuple(hosts))


def of_keys(keys: Keys, *, made: datetime, made_by: str, etcd: str, hosts: Sequence[str]) -> Backup:
    """Of an etcd, which ``etcd`` is the version of."""
    records = libnetwork.parse(keys.tree)
    its = _told(records, keys.index, made=made, made_by=made_by, consul="", etcd=etcd, hosts=tuple(hosts))
    return Backup(its, etcd_keys.pack(keys))


def _told(records: Records, index: int, **its: Any) -> About:
    return About(
        index=index,
        # The folder of these keys is a key of its own.
        engines=tuple(sorted(node for node in records.nodes if ":" in node)),
        networks=networks_of(records),
        **its,
    )


def of_snapshot(saved: bytes, consul: str = "") -> Backup:
    """A bare Consul snapshot, such as hosts keep, with what is read out of it itself. ``consul`` is the
    version that made it, "" where nobody knows.

    Raises `UsageError` where it is no whole one.
    """
    its = snapshot.check(io.BytesIO(saved))
    inside = snapshot_contents.read(saved, libnetwork.ROOT)
    told = about(
        libnetwork.parse(inside.keys),
        saved,
        made=datetime.fromtimestamp((its.made or 0) / 1000, UTC),
        made_by="",
        consul=consul,
        hosts=inside.nodes,
    )
    return Backup(told, saved)


def pack(backup: Backup) -> bytes:
    """The bytes of the file."""
    its = backup.about
    told = {
        "version": VERSION,
        "kind": KIND,
        **asdict(its),
        "made": stamp(its.made),
        "sha256": hashlib.sha256(backup.snapshot).hexdigest(),
    }
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in (
            (ABOUT, (json.dumps(told, indent=2) + "\n").encode()),
            (KEYS if its.etcd else SNAPSHOT, backup.snapshot),
        ):
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.mtime = len(data), 0o600, int(its.made.timestamp())
            tar.addfile(info, io.BytesIO(data))
    return packed.getvalue()


def unpack(data: bytes) -> Backup:
    """From `pack`, or from a bare Consul snapshot.

    Raises `UsageError` where it is no backup, one of a later Overweave, or a damaged one."""
    if data.startswith(GZIP):
        return of_snapshot(data)
    try:
        parts = _parts(data)
        told = json.loads(parts[ABOUT])
        if told["kind"] != KIND:
            raise ValueError("it is of another kind")
        if told["version"] != VERSION:
            raise _Later(whole(told["version"]))
        found, digest = _about(told), text(told["sha256"])
        if (KEYS if found.etcd else SNAPSHOT) not in parts:
            raise ValueError(f"there is no {KEYS if found.etcd else SNAPSHOT}")
    except _Later as e:
        raise UsageError(
            f"it was made by a later Overweave: version {e} of the file", hint="use that one, or a newer one"
        ) from e
    except UNREADABLE as e:
        raise UsageError(f"it is no backup of Overweave's: {type(e).__name__}: {one_line(e, 200)}") from e
    saved = parts[KEYS if found.etcd else SNAPSHOT]
    if hashlib.sha256(saved).hexdigest() != digest:
        what = "keys" if found.etcd else "snapshot"
        raise UsageError(f"the backup is damaged: the checksum of its {what} does not fit")
    index = etcd_keys.unpack(saved).index if found.etcd else snapshot.check(io.BytesIO(saved)).index
    return Backup(replace(found, index=index), saved)


class _Later(Exception):
    pass


def _parts(data: bytes) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    limits: Mapping[str, int] = {
        ABOUT: LONGEST_ABOUT,
        SNAPSHOT: snapshot.LONGEST,
        KEYS: etcd_keys.LONGEST,
    }
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
        for member in tar:
            if member.name not in limits or member.name in found:
                raise ValueError(f"unexpected file {member.name!r:.80}")
            if not member.isreg() or member.issparse() or member.size > limits[member.name]:
                raise ValueError(f"{member.name} is too long, or no plain file")
            content = tar.extractfile(member)
            assert content is not None
            found[member.name] = content.read()
    if ABOUT not in found:
        raise ValueError(f"there is no {ABOUT}")
    return found


def _about(told: Any) -> About:
    made = datetime.fromisoformat(text(told["made"]))
    if made.tzinfo is None:
        raise ValueError("its date has no time zone")
    return About(
        made=made.astimezone(UTC),
        made_by=text(told["made_by"]),
        consul=text(told["consul"]),
        index=whole(told["index"]),
        hosts=texts(told["hosts"]),
        engines=texts(told["engines"]),
        networks=tuple(_network(its) for its in objects(told["networks"])),
        # One of an earlier version is a Consul's.
        etcd=text(told.get("etcd", "")),
    )


def _network(told: Any) -> Network:
    return Network(
        id=text(told["id"]),
        name=text(told["name"]),
        subnets=tuple(str(IPv4Network(its)) for its in texts(told["subnets"])),
        vnis=tuple(whole(vni) for vni in objects(told["vnis"])),
        endpoints=whole(told["endpoints"]),
    )
