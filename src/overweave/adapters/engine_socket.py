"""How a command on a host reaches its engine's socket: by a relay of ours, or else by the docker CLI.

docs/decisions/0009-engine-socket.md says why.
"""

from __future__ import annotations

from functools import cache

from overweave.command import Command
from overweave.render import script

SOCKET = "/var/run/docker.sock"
"""Whatever DOCKER_HOST or a context say: the engine of this host is meant."""
CLI = ("docker", "-H", f"unix://{SOCKET}", "system", "dial-stdio")
PERL = "/usr/bin/perl"
"""Where perl-base has it. By its path, so that what the user's PATH finds is also there behind sudo."""


@cache
def dial_line(sudo: tuple[str, ...] = ()) -> str:
    """What a POSIX shell runs instead of itself; ``sudo`` are the words that make a command root's.

    What it runs carries standard input and output to the socket and back, and ends when the engine hangs
    up. Where nobody listens it ends at once, having said nothing on standard output.
    """
    relay = Command((*sudo, PERL, "-e", script("engine-relay.pl"), SOCKET, *CLI))
    return f"test -x {PERL} && exec {relay.shell()}; exec {Command((*sudo, *CLI)).shell()}"
