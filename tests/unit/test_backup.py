"""A backup's file tells what it holds, and is taken only if it is whole and ours."""

from __future__ import annotations

import io
import json
import tarfile
from datetime import UTC, datetime

import pytest
from tests.contract.fakes import snapshot
from tests.unit.doctor.overlay import NETWORK, tree
from tests.unit.stores.test_snapshot_contents import REAL

from overweave.adapters import backup_file
from overweave.backup import LONGEST, Backup, about, of_keys, pack, unpack
from overweave.errors import UsageError
from overweave.facts import libnetwork
from overweave.stores.etcd_keys import Kept, Keys

MADE = datetime(2026, 11, 22, 2, 25, 48, 776000, tzinfo=UTC)
SAVED = snapshot(b"state" * 1000)
ABOUT = about(
    libnetwork.parse(tree()), SAVED, made=MADE, made_by="0.1.0", consul="1.8.7", hosts=("host1", "host2")
)
BACKUP = Backup(ABOUT, SAVED)
WHOLE = pack(BACKUP)
KEYS = Keys(93, {key.strip("/"): Kept(its.decode(), 7, 9, None) for key, its in tree().items() if its})
OF_ETCD = of_keys(KEYS, made=MADE, made_by="0.1.0", etcd="3.4.23", hosts=("host1", "host2"))
HINT = "name a file that `fab store-backup` has made"


def repacked(whole=WHOLE, **files):
    """The backup's file with other contents; None leaves one out."""
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        parts = {m.name: tar.extractfile(m).read() for m in tar}
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, data in (parts | {name.replace("_", "."): its for name, its in files.items()}).items():
            if data is not None:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return made.getvalue()


def told(**changes):
    with tarfile.open(fileobj=io.BytesIO(WHOLE)) as tar:
        its = json.load(tar.extractfile("backup.json"))
    return json.dumps(its | changes).encode()


def refused(data):
    with pytest.raises(UsageError) as caught:
        unpack(data)
    return str(caught.value)


def test_what_is_packed_is_unpacked():
    assert unpack(WHOLE) == BACKUP
    assert (ABOUT.index, ABOUT.engines[0], len(ABOUT.engines)) == (7, "10.0.0.11:2376", 3)
    (network,) = ABOUT.networks
    assert (network.id, network.name, network.vnis, network.endpoints) == (NETWORK, "overweave", (256,), 3)
    assert ABOUT.told == "of 2026-11-22 02:25:48.776Z with overweave"


def test_a_bare_snapshot_tells_of_itself_what_is_in_it():
    its = unpack(REAL.read_bytes()).about
    assert (its.index, its.consul, its.hosts) == (121, "", ("host1", "host2", "host3"))
    assert its.engines == tuple(f"10.96.0.1{n}:2376" for n in (1, 2, 3))
    assert its.told == "of 2026-11-22 05:25:53.150Z with overweave"
    (network,) = its.networks
    assert (network.subnets, network.vnis, network.endpoints) == (("10.211.0.0/16",), (256,), 3)


def test_tar_takes_the_snapshot_out(tmp_path):
    (tmp_path / "b.tar").write_bytes(WHOLE)
    with tarfile.open(tmp_path / "b.tar") as tar:
        assert tar.getnames() == ["backup.json", "snapshot.tgz"]
        assert tar.extractfile("snapshot.tgz").read() == SAVED


def test_a_backup_of_an_etcd_has_its_keys_and_says_the_same_of_its_networks():
    assert unpack(pack(OF_ETCD)) == OF_ETCD
    its = OF_ETCD.about
    assert (its.kind, its.program, its.index, its.consul) == ("etcd", "etcd 3.4.23", 93, "")
    assert (its.networks, its.engines, its.told) == (ABOUT.networks, ABOUT.engines, ABOUT.told)
    assert (ABOUT.kind, ABOUT.program) == ("Consul", "Consul 1.8.7")
    assert OF_ETCD.keys == KEYS
    with tarfile.open(fileobj=io.BytesIO(pack(OF_ETCD))) as tar:
        assert tar.getnames() == ["backup.json", "keys.json"]


def test_a_backup_of_an_etcd_that_is_damaged_is_told():
    whole = pack(OF_ETCD)
    assert refused(repacked(whole, keys_json=b"{}")) == (
        "the backup is damaged: the checksum of its keys does not fit"
    )
    assert refused(repacked(whole, keys_json=None)) == (
        "it is no backup of Overweave's: ValueError: there is no keys.json"
    )
    assert refused(repacked(whole, backup_json=told())) == (
        "it is no backup of Overweave's: ValueError: there is no snapshot.tgz"
    )


def test_a_damaged_snapshot_is_told():
    other = snapshot(b"other")
    assert refused(repacked(snapshot_tgz=other)) == (
        "the backup is damaged: the checksum of its snapshot does not fit"
    )


def test_one_of_a_later_version_is_told():
    assert refused(repacked(backup_json=told(version=2))) == (
        "it was made by a later Overweave: version 2 of the file\n  -> use that one, or a newer one"
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no tar" * 1000,
        WHOLE[:512],
        WHOLE[: WHOLE.index(SAVED[:20]) + 30],
        repacked(backup_json=None),
        repacked(snapshot_tgz=None),
        repacked(more=b""),
        repacked(backup_json=b"[" * 100_000),
        repacked(backup_json=b"[]"),
        repacked(backup_json=told(kind="another")),
        repacked(backup_json=told(made="2026-11-22T02:25:48")),
        repacked(backup_json=told(networks=[{"id": 1}])),
        repacked(backup_json=told(networks=7)),
        repacked(backup_json=told(index=-1)),
        repacked(backup_json=told(sha256=None)),
    ],
    ids=range(15),
)
def test_what_is_none_is_refused(data):
    assert refused(data).startswith("it is no backup of Overweave's: ")


def test_a_file_that_is_there_is_replaced_only_if_it_is_a_backup_and_that_was_said(tmp_path):
    path = tmp_path / "b.tar"
    backup_file.may_write(path)
    backup_file.write(path, BACKUP)
    assert path.stat().st_mode & 0o777 == 0o600
    assert backup_file.read(path) == BACKUP
    with pytest.raises(UsageError) as caught:
        backup_file.may_write(path)
    assert str(caught.value) == (
        f"{path} is there already\n  -> name another file, or add --force to replace that backup"
    )
    backup_file.may_write(path, replace=True)
    path.write_text("somebody's")
    with pytest.raises(UsageError) as caught:
        backup_file.may_write(path, replace=True)
    assert str(caught.value) == (
        f"{path} is there, and no backup of the store that could be replaced\n  -> name another file"
    )
    assert path.read_text() == "somebody's"


def test_a_file_that_can_not_be_written_is_told_before(tmp_path):
    path = tmp_path / "away/b.tar"
    with pytest.raises(UsageError) as caught:
        backup_file.may_write(path)
    assert str(caught.value) == f"{path}: No such file or directory\n  -> name a file that can be written"


def test_a_file_that_can_not_be_read_is_told(tmp_path):
    long = tmp_path / "long.tar"
    with long.open("wb") as file:
        file.truncate(LONGEST + 1)
    for path, why in (
        (tmp_path / "none.tar", "No such file or directory"),
        (tmp_path, "it is no file"),
        (long, "it is longer than any backup"),
    ):
        with pytest.raises(UsageError) as caught:
            backup_file.read(path)
        assert str(caught.value) == f"{path}: {why}\n  -> {HINT}"
    (tmp_path / "b.tar").write_bytes(b"none")
    with pytest.raises(UsageError, match=f"no backup of Overweave's: .*\n  -> {HINT}"):
        backup_file.read(tmp_path / "b.tar")


def test_a_backup_of_the_store_as_it_is_lies_beside_the_logs(tmp_path):
    given = {"XDG_STATE_HOME": str(tmp_path)}
    path = backup_file.beside_the_logs(MADE, given)
    assert path == tmp_path / "overweave/backups/20261122T022548.776Z-before-restore.tar"
    assert path.parent.stat().st_mode & 0o777 == 0o700
    other = backup_file.beside_the_logs(MADE, given, before="upgrade")
    assert other.name == "20261122T022548.776Z-before-upgrade.tar"
    (tmp_path / "file").touch()
    with pytest.raises(UsageError) as caught:
        backup_file.beside_the_logs(MADE, {"XDG_STATE_HOME": str(tmp_path / "file")})
    assert str(caught.value) == (
        "the store as it is can't be kept on this machine: Not a directory\n"
        "  -> set XDG_STATE_HOME to a folder that can be written"
    )
