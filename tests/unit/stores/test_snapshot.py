"""A Consul snapshot is taken only if it is whole."""

from __future__ import annotations

import gzip
import io
import tarfile

import pytest
from tests.contract.fakes import snapshot

from overweave.errors import UsageError
from overweave.stores.snapshot import UNPACKED, check


def refused(data):
    with pytest.raises(UsageError) as caught:
        check(io.BytesIO(data))
    return str(caught.value)


def test_a_whole_one_tells_where_raft_was():
    found = check(io.BytesIO(snapshot(b"x" * 1_000_000)))
    assert (found.index, found.term) == (7, 2)


@pytest.mark.parametrize("name", ["state.bin", "meta.json"])
def test_a_wrong_checksum_is_told(name):
    sums = dict.fromkeys(("meta.json", "state.bin"), "0" * 64)
    with tarfile.open(fileobj=io.BytesIO(snapshot())) as tar:
        whole = tar.extractfile("SHA256SUMS").read().decode()
    good = {line.split()[1]: line.split()[0] for line in whole.splitlines()}
    lines = {**good, name: sums[name]}
    text = "".join(f"{digest}  {file}\n" for file, digest in lines.items()).encode()
    assert refused(snapshot(sums=text)) == (
        f"the Consul snapshot is damaged: the checksum of {name} does not fit"
    )


def test_what_has_no_checksum_is_not_taken():
    assert refused(snapshot(sums=b"")) == (
        "the Consul snapshot is damaged: the checksum of meta.json does not fit"
    )


def test_every_cut_off_one_is_refused():
    whole = snapshot(bytes(range(256)) * 64)
    for length in range(0, len(whole) - 1, 37):
        refused(whole[:length])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "it is no Consul snapshot: "),
        (b"no gzip", "it is no Consul snapshot: "),
        (gzip.compress(b"no tar" * 1000), "it is no Consul snapshot: "),
        (snapshot(more=(("evil", b""),)), "it is no Consul snapshot: ValueError: unexpected file 'evil'"),
        (
            snapshot(more=(("state.bin", b""),)),
            "it is no Consul snapshot: ValueError: unexpected file 'state.bin'",
        ),
        (snapshot(meta=b"[]"), "it is no Consul snapshot: "),
        (snapshot(meta=b'{"Index": -1, "Term": 1}'), "it is no Consul snapshot: ValueError: -1 is no whole"),
        (
            snapshot(sums=b"0" * 2_000_000),
            "it is no Consul snapshot: ValueError: SHA256SUMS is too long",
        ),
    ],
    ids=range(8),
)
def test_what_is_none_is_refused(data, said):
    assert refused(data).startswith(said)


def packed(*members):
    made = io.BytesIO()
    with gzip.GzipFile(fileobj=made, mode="wb", compresslevel=1) as zipped:
        for info in members:
            zipped.write(info.tobuf(format=tarfile.GNU_FORMAT))
    return made.getvalue()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE])
def test_links_and_devices_are_no_files(kind):
    info = tarfile.TarInfo("meta.json")
    info.type, info.linkname = kind, "/etc/passwd"
    assert refused(packed(info)) == "it is no Consul snapshot: ValueError: meta.json is no plain file"


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.REGTYPE])
def test_a_header_that_claims_too_much_is_refused_at_once(kind):
    info = tarfile.TarInfo("meta.json")
    info.type, info.size = kind, UNPACKED * 4
    assert refused(packed(info)).startswith("it is no Consul snapshot: ")
