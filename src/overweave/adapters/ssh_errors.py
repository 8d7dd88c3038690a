"""What paramiko's and the system's exceptions mean to somebody who wants to connect."""

from __future__ import annotations

import socket

import fabric
import paramiko

from overweave.errors import ConnectionProblem, HostKeyProblem, OverweaveError

from .host_keys import fingerprint


def connection_problem(
    error: Exception, connection: fabric.Connection, name: str, seconds: float
) -> OverweaveError:
    """What an exception of a connection attempt to host ``name`` means; ``seconds`` was its time-out.

    Most specific first: several of these are subclasses of the ones below them. An exception that means
    nothing known is a bug and is raised again.
    """
    where, user = f"{connection.host} port {connection.port}", connection.user
    if isinstance(error, OverweaveError):
        error.host = name
        return error
    if isinstance(error, paramiko.BadHostKeyException):
        return HostKeyProblem(
            f"the host key of {error.hostname} has CHANGED: it is {fingerprint(error.key)}, "
            f"known was {fingerprint(error.expected_key)}",
            host=name,
            hint="either somebody listens in, or the host was reinstalled; if you are sure: "
            f"`ssh-keygen -R {error.hostname}`, then --accept-new-host-keys",
        )
    if isinstance(error, paramiko.PasswordRequiredException):
        return ConnectionProblem(
            "the ssh key has a passphrase",
            host=name,
            hint="load it with ssh-add, or --prompt-for-passphrase",
        )
    if isinstance(error, paramiko.AuthenticationException) or "No authentication methods" in str(error):
        return ConnectionProblem(
            f"user {user} was not let in at {where}: no key or password was accepted",
            host=name,
            hint=f"try `ssh -p {connection.port} {user}@{connection.host}`; "
            "give a key with -i FILE or `key:` in the inventory",
        )
    if isinstance(error, FileNotFoundError) and error.filename:
        return ConnectionProblem(
            f"ssh key {error.filename}: no such file", host=name, hint="check `key:` or -i"
        )
    if isinstance(error, PermissionError) and error.filename:
        return ConnectionProblem(
            f"ssh key {error.filename}: can't be read: {error.strerror}",
            host=name,
            hint="`key:` or -i names another, or it belongs to another user",
        )
    if isinstance(error, socket.gaierror):
        return ConnectionProblem(
            f"unknown host: {connection.host} has no address",
            host=name,
            hint="check the spelling; it is not in the inventory, ~/.ssh/config or DNS",
        )
    if isinstance(error, TimeoutError):
        return ConnectionProblem(
            f"no answer from {where} within {seconds:g} s",
            host=name,
            hint="is the host up, and does a firewall let ssh through?",
        )
    reason = getattr(error, "strerror", None) or str(error)
    if isinstance(error, paramiko.ssh_exception.NoValidConnectionsError):
        reason = "; ".join(sorted({getattr(e, "strerror", None) or str(e) for e in error.errors.values()}))
    if isinstance(error, OSError | paramiko.SSHException | EOFError):
        return ConnectionProblem(
            f"unreachable: {where}: {reason}", host=name, hint="is the host up, and its sshd running?"
        )
    raise error
