"""The program that carries a connection to an engine's socket, between pipes and a socket of ours."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import socket
import subprocess
import termios
import threading
from struct import unpack

import pytest

from overweave.adapters.engine_socket import PERL
from overweave.lab.waiting import wait_for
from overweave.render import script

SECONDS = 20
MUCH = random.Random(1).randbytes(6 << 20)
"""More than all the buffers on the way hold."""
PIPE, PIECE = 1 << 16, 1 << 14
"""What a pipe holds, and what is taken out of a full one."""


@pytest.fixture
def server(tmp_path):
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tmp_path / "engine.sock"))
        made.listen()
        made.settimeout(SECONDS)
        yield made


@pytest.fixture
def relay():
    """Starts the relay to a path, with the words that are tried instead. None of them outlives the test."""
    started = []

    def start(path, *instead, environment=None):
        process = subprocess.Popen(
            (PERL, "-e", script("engine-relay.pl"), str(path), *(instead or ("false",))),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env=environment,
            process_group=0,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.stdin.close()
        process.stdout.close()
        process.kill()
        process.wait(SECONDS)


@pytest.fixture
def joined(server, relay):
    """A relay that runs, and the engine's end of its connection."""
    process = relay(server.getsockname())
    engine, _ = server.accept()
    engine.settimeout(SECONDS)
    with engine:
        yield process, engine


def read(receive, size):
    data = bytearray()
    while len(data) < size and (chunk := receive(1 << 16)):
        data += chunk
    return bytes(data)


def unread(process):
    """Bytes in the pipe from its standard output."""
    (size,) = unpack("i", fcntl.ioctl(process.stdout, termios.FIONREAD, bytes(4)))
    return size


def of_group(process):
    """Its processes that have not ended."""
    found = subprocess.run(
        ("ps", "-eo", "pgid=,stat="), capture_output=True, text=True, check=True
    ).stdout.splitlines()
    return [line for line in found if line.split()[0] == str(process.pid) and "Z" not in line.split()[1]]


def test_it_carries_both_ways_at_once_however_slow_a_reader_is(joined):
    process, engine = joined

    def send():
        engine.sendall(MUCH[::-1])
        engine.shutdown(socket.SHUT_WR)

    # Nobody reads what the engine says until all was said to it.
    talker = threading.Thread(target=send, daemon=True)
    talker.start()
    sender = threading.Thread(target=lambda: process.stdin.write(MUCH), daemon=True)
    sender.start()
    assert read(engine.recv, len(MUCH)) == MUCH
    # Who is stopped in the middle of writing has written a part.
    wait_for(lambda: unread(process) >= PIPE - PIECE, SECONDS, "a full pipe")
    full = unread(process)
    begin = process.stdout.read(PIECE)
    wait_for(lambda: unread(process) > full - PIECE, SECONDS, "a part of what is written")
    os.killpg(process.pid, signal.SIGSTOP)
    assert os.WIFSTOPPED(os.waitpid(process.pid, os.WUNTRACED)[1])
    os.killpg(process.pid, signal.SIGCONT)
    assert begin + read(process.stdout.read, len(MUCH) - len(begin)) == MUCH[::-1]
    talker.join(SECONDS)
    sender.join(SECONDS)


def test_the_engine_answers_after_all_was_said(joined):
    process, engine = joined
    process.stdin.write(b"the end")
    process.stdin.close()
    assert read(engine.recv, 1 << 16) == b"the end"
    engine.sendall(b"heard")
    engine.shutdown(socket.SHUT_WR)
    assert process.stdout.read(99) == b"heard"
    assert process.wait(SECONDS) == 0


def test_it_ends_with_the_engine_whoever_still_talks(joined):
    process, engine = joined
    engine.sendall(b"last words")
    engine.close()
    assert read(process.stdout.read, 99) == b"last words"
    assert process.wait(SECONDS) == 0
    wait_for(lambda: not of_group(process), SECONDS, "the end of all that was started")


def test_it_ends_with_its_user(joined):
    process, engine = joined
    assert len(of_group(process)) == 2
    process.stdout.close()
    process.stdin.close()
    assert engine.recv(99) == b""
    engine.close()
    process.wait(SECONDS)
    wait_for(lambda: not of_group(process), SECONDS, "the end of all that was started")


def test_what_nobody_reads_any_more_ends_it(joined):
    process, engine = joined
    process.stdout.close()
    with pytest.raises(BrokenPipeError):
        engine.sendall(MUCH)
    process.wait(SECONDS)
    wait_for(lambda: not of_group(process), SECONDS, "the end of all that was started")


def test_bytes_are_bytes_whatever_the_environment_says(server, relay):
    process = relay(server.getsockname(), environment={"PERL_UNICODE": "SD", "LC_ALL": "C.UTF-8"})
    engine, _ = server.accept()
    every = bytes(range(256))
    with engine:
        process.stdin.write(every)
        assert read(engine.recv, 256) == every
        engine.sendall(every)
        assert read(process.stdout.read, 256) == every


def test_where_nobody_listens_another_way_is_tried(tmp_path, relay):
    process = relay(tmp_path / "none.sock", "sh", "-c", 'echo "$1 $(cat)"', "sh", "another way")
    process.stdin.write(b"to go")
    process.stdin.close()
    assert read(process.stdout.read, 99) == b"another way to go\n"
    assert process.wait(SECONDS) == 0


def test_where_there_is_no_other_way_it_says_nothing_and_fails(tmp_path, relay):
    process = relay(tmp_path / "none.sock", "no-such-program", "word")
    assert read(process.stdout.read, 99) == b""
    assert process.wait(SECONDS) == 127
