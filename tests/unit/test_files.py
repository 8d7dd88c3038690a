"""Files are replaced as a whole, or left as they were."""

from __future__ import annotations

import pytest

from overweave.files import try_out, write_atomically


def test_a_file_is_replaced_as_a_whole(tmp_path):
    write_atomically(tmp_path / "new/file", "old", 0o600)
    write_atomically(tmp_path / "new/file", "new", 0o600)
    assert (tmp_path / "new/file").read_text() == "new"
    assert (tmp_path / "new/file").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["file"]


def test_what_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    (tmp_path / "file").write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(tmp_path / "file", "\ud800")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "old")]


def test_trying_out_leaves_nothing(tmp_path):
    (tmp_path / "old").write_text("old")
    try_out(tmp_path / "file")
    try_out(tmp_path / "old")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("old", "old")]
    with pytest.raises(FileNotFoundError):
        try_out(tmp_path / "nowhere/file")
    with pytest.raises(NotADirectoryError):
        try_out(tmp_path / "old/file")
    with pytest.raises(OSError, match="File name too long"):
        try_out(tmp_path / ("x" * 254))
