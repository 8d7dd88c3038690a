"""A swarm's unlock key out of a file, and what is no such file."""

from __future__ import annotations

import pytest

from overweave.cli.secrets import _kept
from overweave.errors import UsageError

HINT = "\n  -> name the file that `fab swarm-unlock-key` wrote"


def refused(path):
    with pytest.raises(UsageError) as caught:
        _kept(path)
    return str(caught.value)


def test_a_key_is_read_and_shown_nowhere(tmp_path):
    file = tmp_path / "swarm.key"
    file.write_text("SWMKEY-1-abc\n")
    key = _kept(file)
    assert (key.reveal(), str(key)) == ("SWMKEY-1-abc", "[redacted]")


@pytest.mark.parametrize("text", ["", "SWMTKN-1-abc\n", "SWMKEY-1-abc SWMKEY-1-def\n"])
def test_another_file_is_told_without_what_is_in_it(tmp_path, text):
    file = tmp_path / "swarm.key"
    file.write_text(text)
    assert refused(file) == f"{file} holds no unlock key of a swarm: one begins with SWMKEY-1-{HINT}"


def test_a_file_that_can_not_be_read_is_told(tmp_path):
    file = tmp_path / "swarm.key"
    assert refused(file) == f"{file}: No such file or directory{HINT}"
    file.write_bytes(b"\xff\xfe")
    assert refused(file) == f"{file}: no text{HINT}"
