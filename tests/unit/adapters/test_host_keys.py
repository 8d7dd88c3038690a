"""The first key of a machine that was just made is taken, and no other one after it; of others none is.
Files that can't be read or written are named."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import fabric
import paramiko
import pytest

from overweave.adapters.host_keys import AcceptNew
from overweave.adapters.ssh_connect import connection_to, verify_keys
from overweave.adapters.ssh_errors import connection_problem
from overweave.errors import HostKeyProblem
from overweave.model import Access, Host


class Everybody(paramiko.ServerInterface):
    def check_auth_password(self, username, password):
        return paramiko.AUTH_SUCCESSFUL


@pytest.fixture
def sshd():
    """An ssh server on loopback, which has another key after each connection; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve():
            for bits in (256, 384):
                transport = paramiko.Transport(listening.accept()[0])
                transport.add_server_key(paramiko.ECDSAKey.generate(bits=bits))
                transport.start_server(server=Everybody())
                serving.append(transport)

        serving: list[paramiko.Transport] = []
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        for transport in serving:
            transport.close()


def connect(port, known_hosts, *, learnt):
    host = Host("host1", Access("127.0.0.1", "vagrant", port, None, known_hosts, learnt))
    connection = connection_to(host, fabric.Config())
    verify_keys(connection, host, False)
    try:
        connection.client.connect(
            "127.0.0.1", port, "vagrant", "secret", allow_agent=False, look_for_keys=False
        )
    finally:
        connection.client.close()


def test_the_first_key_is_kept_and_another_one_refused(sshd, tmp_path):
    file = tmp_path / "machines/host1/known_hosts"
    connect(sshd, file, learnt=True)
    kept = file.read_text()
    assert kept.startswith(f"[127.0.0.1]:{sshd} ecdsa-sha2-nistp256 ")
    with pytest.raises((paramiko.BadHostKeyException, HostKeyProblem)):
        connect(sshd, file, learnt=True)
    assert file.read_text() == kept


def test_the_key_of_any_other_host_is_not_taken(sshd, tmp_path):
    file = tmp_path / "known_hosts"
    file.touch()
    with pytest.raises(HostKeyProblem):
        connect(sshd, file, learnt=False)
    assert file.read_text() == ""


OPEN_TO = f"\n  -> who runs this, uid {os.getuid()}, has to be able to "


def test_a_list_of_known_keys_that_can_not_be_read_is_named(tmp_path, monkeypatch):
    file = tmp_path / ".ssh/known_hosts"
    file.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path))
    host = Host("host1", Access("127.0.0.1"))
    with pytest.raises(HostKeyProblem) as caught:
        verify_keys(connection_to(host, fabric.Config()), host, False)
    assert str(caught.value) == f"host1: {file}: can't be read: Is a directory{OPEN_TO}read it"


def test_a_key_that_can_not_be_kept_is_not_accepted():
    key = paramiko.ECDSAKey.generate(bits=256)
    with pytest.raises(HostKeyProblem) as caught:
        AcceptNew(Path("/proc/none/known_hosts")).missing_host_key(paramiko.SSHClient(), "host1", key)
    assert str(caught.value) == (
        "/proc/none/known_hosts: the host's key can't be kept there: No such file or directory"
        f"{OPEN_TO}write it"
    )


def test_a_key_of_ones_own_that_can_not_be_read_is_named():
    error = PermissionError(13, "Permission denied", "/home/ops/.ssh/id_ed25519")
    assert str(connection_problem(error, fabric.Connection("10.0.0.1"), "host1", 10)) == (
        "host1: ssh key /home/ops/.ssh/id_ed25519: can't be read: Permission denied\n"
        "  -> `key:` or -i names another, or it belongs to another user"
    )
