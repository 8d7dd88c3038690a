"""When a host counts as up: sshd greets and the engine is active."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from time import monotonic

from overweave.errors import DeadlineExceeded, LabUnavailable, OverweaveError

from .host import LabHost
from .waiting import wait_for


def wait_until_up(hosts: Sequence[LabHost], seconds: float, progress: Callable[[str], None]) -> None:
    """Wait until every host answers ssh and its engine is active.

    Raises `DeadlineExceeded` that names the first host which is not, with the end of its journal, and
    `LabUnavailable` as soon as one can't be booted at all.
    """
    begin = monotonic()
    greeted: dict[LabHost, float] = {}
    missing = list(hosts)

    def look() -> bool:
        for host in list(missing):
            if host.failed:
                raise LabUnavailable(
                    f"ended while it was booting; its log ends with:\n{host.log()}", host=host.name
                )
            if host not in greeted and greets(host.address):
                greeted[host] = monotonic() - begin
            if host in greeted and engine_active(host):
                missing.remove(host)
                progress(
                    f"{host.name} ({host.address}) is up: "
                    f"ssh after {greeted[host]:.1f} s, engine after {monotonic() - begin:.1f} s"
                )
        return not missing

    try:
        wait_for(look, seconds, "ssh and an active engine")
    except DeadlineExceeded as error:
        host = missing[0]
        what = "its engine is not active" if host in greeted else "nothing answers ssh"
        raise DeadlineExceeded(
            f"{what} after {seconds:g} s; its log ends with:\n{host.log()}", host=host.name
        ) from error


def greets(address: str) -> bool:
    """Whether an sshd answers at ``address``."""
    try:
        with socket.create_connection((address, 22), timeout=0.1) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def engine_active(host: LabHost) -> bool:
    """Whether the engine serves its API and systemd says that its unit is active."""
    try:
        with socket.socket(socket.AF_UNIX) as engine:
            engine.settimeout(0.1)
            engine.connect(f"/proc/{host.pid}/root/run/docker.sock")
            engine.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            if b" 200 " not in engine.recv(64):
                return False
        return host.run(("systemctl", "is-active", "--quiet", "docker.service")).ok
    except (OSError, OverweaveError):
        return False
