"""One ssh connection a host for everything: commands on bare channels, streams to its ports.

Fabric makes the connection (~/.ssh/config, ProxyJump, identities, prompts); commands then run on bare
paramiko channels, because `Connection.run` polls: 13-58 ms against 3 ms a command (engine-facts).
"""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from secrets import token_hex

import fabric
import paramiko

from overweave.command import REDACTED, Change, Command, Query, Result, Secret
from overweave.errors import (
    CommandFailed,
    ConnectionProblem,
    OverweaveError,
    SudoProblem,
    UsageError,
)
from overweave.fleet import Cancel
from overweave.model import Host
from overweave.ports import Engine, Record, Recorder, Stream, unrecorded
from overweave.printable import one_line

from .after_mark import AfterMark, before_mark, make_mark
from .engine_socket import SOCKET, dial_line
from .ssh_connect import CONNECT_SECONDS, connection_to, tune, verify_keys
from .ssh_errors import connection_problem
from .ssh_transport import OrderedTransport

CHUNK = 1 << 16
OUTPUT_LIMIT = 8 << 20
"""Bytes of one command's output that are kept; a host that sends more is not answering a question, and
`fleet.WIDTH` of them at once must fit the operator's memory."""

# paramiko reports refused channels here and by an exception; the exception is enough.
logging.getLogger("paramiko").addHandler(logging.NullHandler())
logging.getLogger("paramiko").propagate = False

MARKED = r"%s\n"

EngineOver = Callable[[Callable[[], Stream], Host, Recorder], Engine]


class SshHost:
    """A `Writer` over ssh. Use one from one thread at a time."""

    def __init__(
        self,
        host: Host,
        config: fabric.Config,
        *,
        cancel: Cancel,
        engine_over: EngineOver,
        accept_new_host_keys: bool = False,
        record: Recorder = unrecorded,
    ) -> None:
        self._host = host
        self._record = record
        self._mark = make_mark()
        self._cancel = cancel
        self._sudo: tuple[str, ...] = ()
        self._password: Secret | None = None
        password = config.sudo.password if "sudo" in config else None
        self._given_password = Secret(password) if password else None
        self._connection = connection_to(host, config)
        verify_keys(self._connection, host, accept_new_host_keys)
        self._engine = engine_over(self._dial_engine, host, record)
        self._dialed: list[paramiko.Channel] = []
        cancel.break_with(self._break_off)

    @property
    def host(self) -> Host:
        return self._host

    @property
    def engine(self) -> Engine:
        return self._engine

    @property
    def reached_at(self) -> str:
        if self._connection.gateway:
            return str(self._connection.host)
        return str(self._transport().getpeername()[0])

    def open(self) -> None:
        """Connect, and find out how to become root. Raises `ConnectionProblem` and its kinds."""
        started = time.monotonic()
        try:
            self._connection.open()
        except Exception as e:
            raise connection_problem(
                e, self._connection, self._host.name, self._connection.connect_timeout
            ) from e
        its = self._connection
        self._note(f"connect to {its.user}@{its.host} port {its.port}", started, "connected")
        tune(self._connection)
        if self._connection.user != "root":
            self._become_root()

    def close(self) -> None:
        transport = self._connection.transport
        if transport is not None and not self._connection.gateway:
            # Its thread looks every 0.1 s else, and close() waits for it.
            with contextlib.suppress(OSError):
                transport.sock.shutdown(socket.SHUT_RDWR)
        self._connection.close()

    def check(self) -> None:
        """Raises `ConnectionProblem` where the connection is gone."""
        self._transport()

    @contextlib.contextmanager
    def forward(self, local_port: int, remote_port: int) -> Iterator[int]:
        """Forward a port of this machine's loopback to the host's, and give its number; 0 takes a free one.

        Raises `UsageError` where the local port is taken.
        """
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind(("127.0.0.1", local_port))
            except OSError as e:
                raise UsageError(
                    f"local port {local_port}: {e.strerror}", hint="choose another with --port, or none"
                ) from e
            port: int = trial.getsockname()[1]
        with self._connection.forward_local(
            port, remote_port=remote_port, local_host="127.0.0.1", remote_host="127.0.0.1"
        ):
            yield port

    def ask(self, *queries: Query) -> tuple[Result, ...]:
        """All queries as one script; a random line between their outputs tells them apart."""
        mark = token_hex(16)
        script = "".join(
            f"{query.shell()} </dev/null\nprintf '\\n{mark} %d\\n' $?; echo '{mark}' >&2\n"
            for query in queries
        )
        shown = "\n".join(query.shell() for query in queries)
        private = [number for number, query in enumerate(queries) if query.private]
        whole = self._run(Command(("sh", "-c", script)), shown=shown, mark=mark, private=private)
        results = []
        stdout, stderr = whole.stdout, whole.stderr
        for query in queries:
            out, found, stdout = stdout.partition(f"\n{mark} ")
            err, _, stderr = stderr.partition(f"{mark}\n")
            status, _, stdout = stdout.partition("\n")
            if not found or not status.isdigit():
                said = whole.stderr if private else whole.output
                raise CommandFailed(str(query), whole.status, said, host=self._host.name)
            results.append(Result(query, int(status), out, err))
        return tuple(results)

    def do(self, change: Change) -> Result:
        result = self._run(change)
        if not result.ok:
            raise CommandFailed(str(change), result.status, result.output, host=self._host.name)
        return result

    def start(self, command: Query | Change) -> Stream:
        started = time.monotonic()
        channel = self._channel(command.words)
        stream = AfterMark(channel, self._mark, self._odd_shell)
        try:
            # A shell that has not said its mark yet would die of a stream that is closed at once.
            channel.settimeout(CONNECT_SECONDS)
            stream.await_mark()
            channel.settimeout(None)
            if stdin := command.stdin_bytes():
                channel.sendall(stdin)
        except OverweaveError:
            channel.close()
            raise
        except (paramiko.SSHException, EOFError, OSError) as e:
            channel.close()
            raise self._lost(command) from e
        self._note(f"$ {command.shell()}", started, "started, and stays connected")
        return stream

    def stream(self, address: str, port: int) -> Stream:
        try:
            channel = self._transport().open_channel(
                "direct-tcpip", (address, port), ("127.0.0.1", 0), timeout=CONNECT_SECONDS
            )
        except (paramiko.SSHException, EOFError, OSError) as e:
            prohibited = isinstance(e, paramiko.ChannelException) and e.code == 1
            raise ConnectionProblem(
                f"no connection to {address} port {port} from the host: {e}",
                host=self._host.name,
                hint="the ssh server refuses port forwarding: set `AllowTcpForwarding yes` in its sshd_config"
                if prohibited
                else "",
            ) from e
        channel.settimeout(CONNECT_SECONDS)
        return channel

    def _note(self, what: str, started: float, outcome: str, output: str = "") -> None:
        if self._password:
            output = output.replace(self._password.reveal(), str(self._password))
        self._record(Record(self._host.name, what, time.monotonic() - started, outcome, output))

    def _active(self) -> bool:
        transport: paramiko.Transport | None = self._connection.transport
        return transport is not None and transport.is_active()

    def _transport(self) -> paramiko.Transport:
        if not self._active():
            self._note_end()
            raise ConnectionProblem(
                "the ssh connection is gone", host=self._host.name, hint="run the same command again"
            )
        transport: paramiko.Transport = self._connection.transport
        return transport

    def _channel(self, words: Sequence[str], *, as_user: bool = False) -> paramiko.Channel:
        command = Command((*(() if as_user else self._sudo), *words))
        return self._session(f"exec {command.shell()}", str(command), as_user=as_user)

    def _session(self, line: str, told: str, *, as_user: bool = False) -> paramiko.Channel:
        """A line for the login shell that begins with ``sudo``'s words, unless ``as_user``."""
        try:
            # The login shell says the mark first: whatever its start-up files print comes before.
            whole = f"{Command(('printf', MARKED, self._mark)).shell()}; {line}".encode()
        except UnicodeEncodeError as e:
            raise CommandFailed(told, 126, "it is no text", host=self._host.name) from e
        if b"\0" in whole:
            raise CommandFailed(told, 126, "no program takes a NUL", host=self._host.name)
        channel = None
        try:
            channel = self._transport().open_session(timeout=CONNECT_SECONDS)
            channel.exec_command(whole)
            if self._password and not as_user:
                channel.sendall(f"{self._password.reveal()}\n".encode())
        except (paramiko.SSHException, EOFError, OSError) as e:
            if channel is not None:
                channel.close()
            raise ConnectionProblem(
                f"`{told}` could not be started: {e}",
                host=self._host.name,
                hint="is the host up? Then run the same command again: it goes on from what it finds",
            ) from e
        return channel

    def _dial_engine(self) -> Stream:
        channel = self._session(dial_line(self._sudo), f"dial {SOCKET}")
        self._dialed = [*(c for c in self._dialed if not c.closed), channel]
        return AfterMark(channel, self._mark, self._odd_shell)

    def _break_off(self) -> None:
        """End calls to the engine that are under way, such as a pull; later calls dial again."""
        for channel in self._dialed:
            channel.close()

    def _run(
        self,
        command: Command,
        *,
        as_user: bool = False,
        shown: str = "",
        mark: str = "",
        private: Sequence[int] = (),
    ) -> Result:
        """``shown`` is what the record tells instead of the command, and ``mark`` what it leaves out, and the
        outputs of the ``private`` queries of several."""
        started = time.monotonic()
        outcome, output = "broke off", ""
        try:
            result = self._exchange(command, as_user=as_user)
            told = replace(result, stdout=_redacted(result.stdout, mark, private))
            outcome, output = f"exit code {result.status}", told.output
        except OverweaveError as e:
            outcome = e.message
            raise
        finally:
            if mark:
                output = output.replace(f"{mark}\n", "").replace(mark, "exit code")
            if isinstance(command.stdin, Secret) and command.stdin.reveal():
                output = output.replace(command.stdin.reveal(), str(command.stdin))
            self._note(f"$ {shown or command.shell()}", started, outcome, output)
        return result

    def _exchange(self, command: Command, *, as_user: bool) -> Result:
        channel = self._channel(command.words, as_user=as_user)
        out, err = bytearray(), bytearray()
        try:
            stdin = command.stdin_bytes()
            while not (channel.closed or (channel.eof_received and _drained(channel))):
                if stdin and channel.send_ready():
                    stdin = stdin[channel.send(stdin[:CHUNK]) :]
                    if stdin:
                        continue
                if not stdin and not channel.eof_sent:
                    channel.shutdown_write()
                # The channel's descriptor becomes readable for both streams, and at the end.
                select.select([channel], [], [], 0.2)
                self._cancel.check()
                while channel.recv_ready():
                    out += channel.recv(CHUNK)
                while channel.recv_stderr_ready():
                    err += channel.recv_stderr(CHUNK)
                if len(out) + len(err) > OUTPUT_LIMIT:
                    raise CommandFailed(str(command), 0, "its output has no end", host=self._host.name)
            while chunk := channel.recv(CHUNK):
                out += chunk
            while chunk := channel.recv_stderr(CHUNK):
                err += chunk
            status = channel.recv_exit_status()
        except (paramiko.SSHException, EOFError, OSError) as e:
            raise self._lost(command) from e
        finally:
            channel.close()
        if status < 0 and not self._active():
            raise self._lost(command)
        if status < 0:
            # sshd tells a signal instead of an exit code.
            raise CommandFailed(str(command), 128, "killed by a signal", host=self._host.name)
        noise, answer = before_mark(bytes(out), self._mark)
        if answer is None:
            raise self._odd_shell(noise + bytes(err))
        return Result(command, status, answer.decode(errors="replace"), err.decode(errors="replace"))

    def _odd_shell(self, said: bytes) -> ConnectionProblem:
        told = one_line(said.decode(errors="replace"), 200)
        return ConnectionProblem(
            f"the login shell of {self._connection.user} runs no commands as a POSIX shell does: "
            + (f"it says: {told}" if told else "it says nothing"),
            host=self._host.name,
            hint=f"`chsh -s /bin/sh {self._connection.user}` on the host, or connect as another user",
        )

    def _note_end(self) -> None:
        """What ended the connection, for the record alone."""
        transport: OrderedTransport | None = self._connection.transport
        said = str(transport.get_exception() or "") or transport.last_words if transport is not None else ""
        self._record(
            Record(self._host.name, "the ssh connection", 0, "is gone", said or "the server hung up")
        )

    def _lost(self, command: Command) -> ConnectionProblem:
        if not self._active():
            self._note_end()
        return ConnectionProblem(
            f"the ssh connection broke off during `{command}`",
            host=self._host.name,
            hint="run the same command again: it goes on from what it finds",
        )

    def _become_root(self) -> None:
        user = self._connection.user
        if self._run(Command(("sudo", "-n", "true")), as_user=True).ok:
            self._sudo = ("sudo", "-n", "--")
            return
        if self._run(Command(("sh", "-c", "command -v sudo")), as_user=True).status != 0:
            raise SudoProblem(
                f"user {user} is not root and there is no sudo",
                host=self._host.name,
                hint="install sudo, or connect as root",
            )
        if self._given_password is None:
            raise SudoProblem(
                f"sudo asks user {user} for a password, or does not know the user",
                host=self._host.name,
                hint=f"add --prompt-for-sudo-password, or give {user} NOPASSWD in /etc/sudoers.d",
            )
        # -k: a password that sudo remembers would otherwise end up in the command's own input.
        self._sudo, self._password = ("sudo", "-k", "-S", "-p", "", "--"), self._given_password
        if not self._run(Command(("true",))).ok:
            raise SudoProblem(
                f"sudo does not take the password of user {user}",
                host=self._host.name,
                hint=f"try `sudo -v` as {user} on the host",
            )


def _redacted(stdout: str, mark: str, private: Sequence[int]) -> str:
    """The outputs of several queries, as they come with their marks, without those of some."""
    if not private:
        return stdout
    first, *others = stdout.split(f"\n{mark} ")
    pieces = [first, *others]
    for number in private:
        if number < len(pieces):
            status, end, output = pieces[number].partition("\n") if number else ("", "", first)
            pieces[number] = f"{status}{end}{REDACTED}" if output else pieces[number]
    return f"\n{mark} ".join(pieces)


def _drained(channel: paramiko.Channel) -> bool:
    return not channel.recv_ready() and not channel.recv_stderr_ready()


def answers(port: int) -> bool:
    """Whether something listens on a port of this machine's loopback."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
