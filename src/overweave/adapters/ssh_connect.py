"""How a connection is made that Fabric opens: keys, host keys, timeouts, and what the socket is told."""

from __future__ import annotations

import socket

import fabric

from overweave.errors import HostKeyProblem
from overweave.model import Host

from .host_keys import trust
from .ssh_transport import OrderedTransport

CONNECT_SECONDS = 10
SILENCE_SECONDS = 15
"""A host that leaves what was sent unacknowledged for so long is gone; without a limit of ours the kernel
waits for 15 minutes. Less than `lock.PATIENCE_SECONDS`: this side gives up first."""


def connection_to(host: Host, config: fabric.Config) -> fabric.Connection:
    access = host.access
    # A fresh dictionary per host: Fabric appends key files to the one of the configuration.
    kwargs = {**config.connect_kwargs, "transport_factory": OrderedTransport}
    if access.key is not None:
        kwargs["key_filename"] = [str(access.key)]
        # Else every key of the agent is offered first, and sshd hangs up after six.
        kwargs.setdefault("allow_agent", False)
        kwargs.setdefault("look_for_keys", False)
    timeout = kwargs.pop("timeout", None) or CONNECT_SECONDS
    connection = fabric.Connection(
        access.address,
        user=access.user,
        port=access.port,
        config=config,
        connect_kwargs=kwargs,
    )
    connection.connect_timeout = connection.connect_timeout or timeout
    return connection


def verify_keys(connection: fabric.Connection, host: Host, accept_new: bool) -> None:
    """Verify the host's key, and the key of every gateway on the way to it."""
    hop = connection
    while isinstance(hop, fabric.Connection):
        try:
            # A gateway is none of the machines whose first key may be taken unseen.
            learnt = host.access.key_learnt and hop is connection
            trust(hop.client, host.access.known_hosts, accept_new=accept_new or learnt)
        except HostKeyProblem as e:
            e.host = host.name
            raise
        hop = hop.gateway


def tune(connection: fabric.Connection) -> None:
    """Make an open connection quick, and let it notice that its host is gone; gateways too."""
    hop = connection
    while isinstance(hop, fabric.Connection):
        hop.transport.set_keepalive(SILENCE_SECONDS // 3)
        if isinstance(sock := hop.transport.sock, socket.socket):
            # paramiko leaves Nagle's algorithm on: 50 ms a command, against 5 ms without it (measured).
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux only
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENCE_SECONDS * 1000)
        hop = hop.gateway
