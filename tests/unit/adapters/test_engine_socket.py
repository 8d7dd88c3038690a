"""The line that reaches an engine's socket, run by a shell: what is chosen, and the words that arrive."""

from __future__ import annotations

import shlex
import subprocess

import pytest

from overweave.adapters.engine_socket import CLI, PERL, SOCKET, dial_line
from overweave.render import script


@pytest.mark.parametrize("sudo", [(), ("sudo", "-k", "-S", "-p", "", "--")])
@pytest.mark.parametrize("perl", [True, False])
def test_the_relay_where_there_is_perl_and_else_the_docker_cli(sudo, perl):
    relay = (*sudo, PERL, "-e", script("engine-relay.pl"), SOCKET, *CLI)
    # In bash, functions come before `exec` and `test` of its own.
    told = f"exec() {{ printf '%s\\0' \"$@\"; exit; }}\ntest() {{ {str(perl).lower()}; }}\n{dial_line(sudo)}"
    ran = subprocess.run(("bash", "-c", told), capture_output=True, text=True)
    assert tuple(ran.stdout.split("\0")[:-1]) == (relay if perl else (*sudo, *CLI))


def test_the_cli_is_told_which_engine_is_meant():
    assert shlex.join(CLI) == "docker -H unix:///var/run/docker.sock system dial-stdio"
