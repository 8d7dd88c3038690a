"""What a host keeps of the networks of an inventory, as its files have it."""

from __future__ import annotations

import subprocess

import pytest

from overweave.command import Result, query
from overweave.facts.wanted import QUERIES, HostNotes, note, parse


def said(*texts):
    return parse([Result(query("x"), 0, text, "") for text in texts])


def test_what_was_noted_is_read_again():
    text = note({"lan": {"web": "id2", "app": "id1"}, "empty": {}})
    assert text == '{\n "lan": {\n  "app": "id1",\n  "web": "id2"\n }\n}\n'
    assert said(text, "", "").connected == {"lan": {"app": "id1", "web": "id2"}}
    assert note({"lan": {}}) == ""


@pytest.mark.parametrize("text", ["{", "[]", '{"lan": 1}', '{"lan": {"a": []}}', "[" * 100_000])
def test_a_note_that_makes_no_sense_is_of_nobody(text):
    assert said(text, "", "").connected == {}


def test_shims_are_read_from_their_units(tmp_path):
    """By a real shell, in a folder that stands for systemd's."""
    (tmp_path / "overweave-shim-lan.service").write_text("[Unit]\nDescription=x\n")
    (tmp_path / "overweave-shim-b.c.service").write_text("two\n")
    (tmp_path / "other.service").write_text("three\n")
    words = [str(tmp_path) if w == "/etc/systemd/system" else w for w in QUERIES[1].words]
    told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert said("", told, "overweave-shim-lan.service\n") == HostNotes(
        shims={"lan": "[Unit]\nDescription=x\n", "b.c": "two\n"}, run=frozenset({"lan"})
    )
