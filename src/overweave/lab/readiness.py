"""When a host counts as up: sshd greets and the engine is active."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Sequence
from time import monotonic

from overweave.errors import DeadlineExceeded, LabUnavailable, OverweaveError

from .host import LabHost
from .waiting import ANEW, wait_for

BOOT_SECONDS = 120
"""How long one host may take; every further one adds two seconds, as they share the processors."""


class Knock:
    """Asks whether a server answers, on one connection that is kept until it does.

    A host that is slow must not be slowed down further by connections that nobody waits for.
    """

    def __init__(
        self, family: int, address: Callable[[], tuple[str, int] | str], says: bytes, expects: bytes
    ) -> None:
        self._family = family
        self._address = address
        self._says = says
        self._expects = expects
        self._socket: socket.socket | None = None

    def answered(self) -> bool:
        """Look, without waiting."""
        try:
            if self._socket is None:
                self._socket = self._open()
            heard = self._socket.recv(256)
        except BlockingIOError:
            return False
        except (OSError, OverweaveError):
            heard = b""
        self.close()
        return self._expects in heard

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def _open(self) -> socket.socket:
        fresh = socket.socket(self._family)
        fresh.setblocking(False)
        outcome = fresh.connect_ex(self._address())
        if outcome not in (0, errno.EINPROGRESS):
            fresh.close()
            raise OSError(outcome, "no connection")
        if self._says:
            fresh.send(self._says)
        return fresh


class Arrival:
    """One host on its way up; ``greeted`` says whether its sshd was heard already."""

    def __init__(self, host: LabHost) -> None:
        self.host = host
        self.greeted = False
        self._sshd = Knock(socket.AF_INET, lambda: (host.address, 22), b"", b"SSH-")
        self._engine = Knock(
            socket.AF_UNIX,
            lambda: f"/proc/{host.pid}/root/run/docker.sock",
            b"GET /_ping HTTP/1.0\r\n\r\n",
            b" 200 ",
        )

    def up(self) -> bool:
        """Look, without waiting. Raises `LabUnavailable` if the host ended."""
        if self.host.failed:
            raise LabUnavailable(
                f"ended while it was booting; its log ends with:\n{self.host.log()}",
                host=self.host.name,
                hint=ANEW,
            )
        self.greeted = self.greeted or self._sshd.answered()
        if not self.greeted or not self._engine.answered():
            return False
        try:
            return self.host.run(("systemctl", "is-active", "--quiet", "docker.service")).ok
        except OverweaveError:
            return False

    def close(self) -> None:
        self._sshd.close()
        self._engine.close()


def wait_until_up(hosts: Sequence[LabHost], progress: Callable[[str], None]) -> None:
    """Wait until every host answers ssh and its engine is active.

    Raises `DeadlineExceeded` that names the first host which is not, with the end of its journal, and
    `LabUnavailable` as soon as one can't be booted at all.
    """
    begin = monotonic()
    seconds = BOOT_SECONDS + 2 * len(hosts)
    arrivals = [Arrival(host) for host in hosts]
    missing = list(arrivals)
    greeted: dict[str, float] = {}

    def look() -> bool:
        for arrival in list(missing):
            up, host = arrival.up(), arrival.host
            if arrival.greeted:
                greeted.setdefault(host.name, monotonic() - begin)
            if up:
                missing.remove(arrival)
                progress(
                    f"{host.name} ({host.address}, {host.engine}) is up: "
                    f"ssh after {greeted[host.name]:.1f} s, engine after {monotonic() - begin:.1f} s"
                )
        return not missing

    try:
        wait_for(look, seconds, "ssh and an active engine")
    except DeadlineExceeded as error:
        first = missing[0]
        what = "its engine is not active" if first.greeted else "nothing answers ssh"
        raise DeadlineExceeded(
            f"{what} after {seconds:g} s; its log ends with:\n{first.host.log()}",
            host=first.host.name,
            hint=ANEW,
        ) from error
    finally:
        for arrival in arrivals:
            arrival.close()
