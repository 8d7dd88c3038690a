"""Which host keys are trusted, and what is said when one is not.

Fabric's own policy adds unknown keys silently; a tool that is root on a whole fleet must not.
"""

from __future__ import annotations

import os
from pathlib import Path

import paramiko

from overweave.errors import HostKeyProblem

SYSTEM_FILES = ("~/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts")


def fingerprint(key: paramiko.PKey) -> str:
    """As OpenSSH prints it: ``ED25519 SHA256:…``."""
    name = key.get_name().removeprefix("ssh-").removeprefix("ecdsa-sha2-").upper()
    return f"{name} {key.fingerprint}"


def _open_to(do: str) -> str:
    """In a container one is seldom who one is outside: `--user` of `docker run` makes it so."""
    return f"who runs this, uid {os.getuid()}, has to be able to {do} it"


class RefuseUnknown(paramiko.MissingHostKeyPolicy):
    """Refuse an unknown key, and say what it is and how to accept it."""

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        raise HostKeyProblem(
            f"unknown host key of {hostname}: {fingerprint(key)}",
            hint="compare it with `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on the host, "
            "then accept it with --accept-new-host-keys",
        )


class AcceptNew(paramiko.MissingHostKeyPolicy):
    """Write unknown keys to a known_hosts file. Changed keys are still refused, by paramiko itself."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # One short line in append mode: hosts that are accepted in parallel can't tear each other's.
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"{hostname} {key.get_name()} {key.get_base64()}\n")
        except OSError as e:
            raise HostKeyProblem(
                f"{self._path}: the host's key can't be kept there: {e.strerror}", hint=_open_to("write")
            ) from e


def trust(client: paramiko.SSHClient, known_hosts: Path | None, *, accept_new: bool) -> None:
    """Make a client verify host keys: against ``known_hosts`` where given, else the files ssh uses.

    Raises `HostKeyProblem` where one of these can't be read.
    """
    if known_hosts is not None:
        try:
            client.load_host_keys(str(known_hosts))
        except OSError as e:
            if not (accept_new and isinstance(e, FileNotFoundError)):
                raise HostKeyProblem(
                    f"{known_hosts}: can't be read: {e.strerror}", hint="check `known_hosts` in the inventory"
                ) from e
    else:
        for name in SYSTEM_FILES:
            path = Path(name).expanduser()
            try:
                client.load_system_host_keys(str(path))
            except FileNotFoundError:
                continue
            except OSError as e:
                raise HostKeyProblem(f"{path}: can't be read: {e.strerror}", hint=_open_to("read")) from e
    writable = known_hosts or Path(SYSTEM_FILES[0]).expanduser()
    client.set_missing_host_key_policy(AcceptNew(writable) if accept_new else RefuseUnknown())
