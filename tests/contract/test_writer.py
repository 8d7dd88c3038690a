"""What every `Writer` does: the fake of the unit tests, and a host over ssh."""

from __future__ import annotations

import hashlib
import random

import pytest

from overweave.command import Secret, change, change_script, query, query_script
from overweave.errors import CommandFailed, ConnectionProblem
from overweave.lab.waiting import wait_for

HOSTILE = [
    "",
    "no newline at the end",
    "\n\n\n",
    "0123456789abcdef0123456789abcdef 0\n",
    "%d %s \\n $? `id` $(id) ' \"",
    "two\nlines\n\nand 'quotes'\n",
    "\x1b[31mred\x07 ünï\u202ecode\n",
]


def test_answers_come_in_order_each_with_its_own_exit_code_and_streams(place):
    queries = [
        query_script('printf %s "$1"; printf %s "$1" >&2; exit "$2"', text, str(status))
        for status, text in enumerate(HOSTILE)
    ]
    answers = place.writer.ask(*queries)
    assert [(a.command, a.status, a.stdout, a.stderr) for a in answers] == [
        (q, n, text, text) for n, (q, text) in enumerate(zip(queries, HOSTILE, strict=True))
    ]


def test_words_arrive_as_they_are(place):
    words = ["a b", "'", '"', "$HOME", "*", "\\", "-n", "&", "\n", ""]
    (answer,) = place.writer.ask(query("printf", "%s|", *words))
    assert answer.stdout == "".join(f"{w}|" for w in words)


def test_a_query_that_fails_is_an_answer_and_those_behind_it_still_come(place):
    answers = place.writer.ask(query("false-is-no-program"), query_script("exit 7"), query("printf", "x"))
    assert [a.status for a in answers] == [127, 7, 0]
    assert answers[2].stdout == "x"


def test_a_query_gets_no_input_and_can_not_eat_the_ones_behind_it(place):
    answers = place.writer.ask(query("cat"), query("printf", "x"))
    assert [(a.status, a.stdout) for a in answers] == [(0, ""), (0, "x")]


def test_a_program_that_was_started_is_talked_to_until_it_is_closed(place, tmp_path):
    stream = place.writer.start(
        query_script('echo "$1"; while read -r line; do echo "got $line"; done', "a b")
    )
    stream.settimeout(10)
    seen = b""
    for said, answer in ((b"", b"a b\n"), (b"one\n", b"got one\n"), (b"two\n", b"got two\n")):
        stream.sendall(said)
        seen = b""
        while not seen.endswith(b"\n"):
            seen += stream.recv(100)
        assert seen == answer
    stream.close()


def test_a_program_that_was_started_ends_with_its_input(place):
    ended = "/tmp/overweave-ended"
    stream = place.writer.start(
        change_script('mkdir -p "$(dirname "$1")"; cat > "$1.in"; mv "$1.in" "$1"', ended)
    )
    stream.sendall(b"all of it")
    stream.close()

    def text():
        return place.writer.ask(query_script('cat "$1" 2>/dev/null', ended))[0].stdout

    wait_for(text, 10, "the end of the program")
    assert text() == "all of it"
    place.writer.do(change_script('rm "$1"', ended))


def test_nothing_asked_is_nothing_answered(place):
    assert place.writer.ask() == ()


def test_bytes_that_are_no_text_are_replaced(place):
    (answer,) = place.writer.ask(query("printf", "a\\377b"))
    assert answer.stdout == "a\ufffdb"


def test_a_change_gives_its_result(place):
    command = change_script("printf out; printf err >&2")
    result = place.writer.do(command)
    assert (result.command, result.status, result.stdout, result.stderr) == (command, 0, "out", "err")


def test_a_change_that_fails_raises_with_all_it_said(place):
    command = change_script('printf "%s\\n" 1 2 3 4 5 6; echo why >&2; exit 3')
    with pytest.raises(CommandFailed) as caught:
        place.writer.do(command)
    e = caught.value
    assert (e.status, e.output, e.host) == (3, "1\n2\n3\n4\n5\n6\nwhy", place.writer.host.name)
    assert str(e) == (
        f"{e.host}: `{command.shell()}` ended with exit code 3:\n    3\n    4\n    5\n    6\n    why\n"
        "  -> mend what it says there, then run the same command again: it goes on from what it finds"
    )


def test_a_megabyte_of_any_bytes_arrives_whole(place):
    data = random.Random(1).randbytes(1 << 20)
    said = place.writer.do(change("sha256sum", stdin=data)).stdout
    assert said.split()[0] == hashlib.sha256(data).hexdigest()


def test_a_megabyte_comes_back_whole_while_it_is_sent(place):
    text = "".join(random.Random(2).choices("abcdefgh\n", k=1 << 20))
    assert place.writer.do(change("cat", stdin=text.encode())).stdout == text


def test_a_secret_arrives_as_input(place):
    assert place.writer.do(change("cat", stdin=Secret("pä$$'wörd"))).stdout == "pä$$'wörd"


def test_a_command_that_does_not_read_its_input_ends_all_the_same(place):
    assert place.writer.do(change("true", stdin=bytes(1 << 20))).ok


def test_a_stream_carries_what_a_port_says(place):
    stream = place.writer.stream(*place.greeting)
    try:
        stream.settimeout(10)
        data = b""
        while not data.endswith(b"\r\n"):
            piece = stream.recv(3)
            assert 0 < len(piece) <= 3
            data += piece
    finally:
        stream.close()
    assert data.startswith(b"SSH-2.0-")


def test_a_stream_to_a_closed_port_is_a_connection_problem(place):
    with pytest.raises(
        ConnectionProblem, match=r"no connection to 127\.0\.0\.1 port 1 from the host"
    ) as caught:
        place.writer.stream("127.0.0.1", 1)
    assert caught.value.host == place.writer.host.name


def test_where_ssh_reaches_it_is_an_address(place):
    assert place.writer.reached_at == place.writer.host.access.address


@pytest.mark.lab
def test_a_connection_that_dies_under_a_command_is_told_with_it_and_then_as_gone(breakable):
    host, records = breakable
    with pytest.raises(ConnectionProblem) as caught:
        host.do(change("sh", "-c", "kill -9 $PPID; sleep 60"))
    assert str(caught.value) == (
        "host1: the ssh connection broke off during `sh -c 'kill -9 $PPID; sleep 60'`\n"
        "  -> run the same command again: it goes on from what it finds"
    )
    with pytest.raises(ConnectionProblem) as caught:
        host.ask(query("true"))
    assert str(caught.value) == "host1: the ssh connection is gone\n  -> run the same command again"
    ends = [(r.outcome, r.output) for r in records if r.what == "the ssh connection"]
    assert ends == [("is gone", "the server hung up")] * 2
