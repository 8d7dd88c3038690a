"""Words stay words on their way through a shell, and secrets stay secret."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overweave.command import Result, Secret, change, change_script, query, query_script

HOSTILE = [
    "",
    " ",
    "a b",
    "'",
    '"',
    "$HOME",
    "`id`",
    "$(id)",
    "a;b",
    "\n",
    "\\",
    "*",
    "-n",
    "~",
    "!",
    "é\t",
    "&|<>",
]


def run(command):
    return subprocess.run(
        ["sh", "-c", command.shell()], input=command.stdin_bytes(), capture_output=True, check=True
    ).stdout


def test_hostile_words_arrive_as_they_are():
    assert run(query("printf", "%s\\0", *HOSTILE)).decode().split("\0")[:-1] == HOSTILE


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), max_size=5))
def test_arguments_of_a_script_need_no_quoting(words):
    out = run(query_script('for word in "$@"; do printf "%s\\0" "$word"; done', *words))
    assert out.decode().split("\0")[:-1] == words


def test_standard_input_comes_whole_from_bytes_and_from_a_secret():
    data = bytes(range(256)) * 300
    assert run(change("cat", stdin=data)) == data
    assert run(change_script('cat; echo "$1"', "x", stdin=Secret("pa$$'wörd"))).decode() == "pa$$'wördx\n"


def test_a_secret_shows_nowhere_but_where_it_is_revealed():
    secret = Secret("hunter2")
    command = change("tee", "/etc/x", stdin=secret)
    shown = [
        str(secret),
        repr(secret),
        f"{secret}",
        f"{secret!r}",
        "%s" % secret,  # noqa: UP031
        "{}".format(secret),  # noqa: UP032
        repr([secret]),
        repr(command),
        str(command),
        repr(Result(command, 1, "out", "err")),
        command.shell(),
    ]
    assert not [text for text in shown if "hunter2" in text]
    assert {*shown[:6]} == {"[redacted]"}
    assert (secret.reveal(), command.stdin_bytes()) == ("hunter2", b"hunter2")


def test_secrets_are_equal_by_value_and_to_no_text():
    assert Secret("a") == Secret("a")
    assert hash(Secret("a")) == hash(Secret("a"))
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"


def test_a_query_is_no_change_even_with_the_same_words():
    assert query("true") != change("true")
    assert query("true") == query("true")


@pytest.mark.parametrize(
    ("stdout", "stderr", "output"),
    [("a\n", "b\n", "a\nb"), ("", " b ", "b"), ("a", "", "a"), (" \n", "\n", "")],
)
def test_output_is_both_streams_without_blank_ones(stdout, stderr, output):
    assert Result(query("x"), 0, stdout, stderr).output == output


def test_only_status_zero_is_ok():
    assert [Result(query("x"), status, "", "").ok for status in (0, 1, 255)] == [True, False, False]
