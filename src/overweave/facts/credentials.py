"""What of the store's credentials is on a host, and whether others than root can read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from overweave.command import Result, Secret, query_script
from overweave.credentials import (
    AUTHORITY,
    CERTIFICATE,
    ENVIRONMENT,
    MODE,
    OPERATOR,
    VARIABLE,
    Credentials,
    certificate_of,
    parse,
    token_of,
)
from overweave.stores.consul import SECRETS, TLS
from overweave.stores.etcd import TRUSTED

from .unit import UNIT

LIMIT = 65536
FILES = (SECRETS, ENVIRONMENT, OPERATOR, TLS, AUTHORITY, TRUSTED)
_READ = 'test ! -e "$1" || { stat -c "%a %u" "$1" && head -c "$2" "$1"; }'
_RUNNING = """\
pid=$(systemctl show -p MainPID --value "$1")
tr '\\0' '\\n' 2> /dev/null < "/proc/$pid/environ" | grep -e "^$2=" -e "^$3="
true
"""

QUERIES = (
    *(query_script(_READ, path, str(LIMIT), private=True) for path in FILES),
    query_script(_RUNNING, UNIT, VARIABLE, CERTIFICATE, private=True),
)


@dataclass(frozen=True)
class HostCredentials:
    """``files``: the text of those that are there, by path; ``exposed`` are those that others than root may
    read or own. ``running`` is the token of the running engine, ``certificate`` the fingerprint of that which
    it has read at its start, "" without one."""

    files: Mapping[str, Secret] = field(default_factory=dict)
    exposed: frozenset[str] = frozenset()
    running: Secret | None = None
    certificate: str = ""

    @property
    def known(self) -> Credentials | None:
        return parse(self.text(SECRETS), self.text(ENVIRONMENT))

    def text(self, path: str) -> str:
        """What is in a file, "" where it is not there."""
        return its.reveal() if (its := self.files.get(path)) else ""


def look(results: Sequence[Result]) -> HostCredentials:
    *shown, running = results
    files, exposed = {}, set()
    for path, its in zip(FILES, shown, strict=True):
        mode, there, text = its.stdout.partition("\n")
        if there:
            files[path] = Secret(text)
            exposed |= {path} if mode != f"{MODE} 0" else set()
    return HostCredentials(
        files, frozenset(exposed), token_of(running.stdout), certificate_of(running.stdout)
    )
