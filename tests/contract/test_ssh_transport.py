"""A connection outlives what is still being sent when the host ends a channel."""

from __future__ import annotations

from contextlib import contextmanager

import paramiko
import pytest
from paramiko.common import cMSG_CHANNEL_DATA, cMSG_CHANNEL_EOF

from overweave.adapters.ssh_transport import OrderedTransport
from overweave.lab.waiting import wait_for

pytestmark = pytest.mark.lab


@contextmanager
def connected(fleet, factory):
    access = fleet.hosts[0].access
    with paramiko.SSHClient() as client:
        client.load_host_keys(str(access.known_hosts))
        client.connect(
            access.address,
            access.port or 22,
            access.user,
            key_filename=str(access.key),
            allow_agent=False,
            look_for_keys=False,
            transport_factory=factory,
        )
        yield client.get_transport()


@pytest.mark.parametrize(
    ("kind", "send"),
    [
        (cMSG_CHANNEL_EOF, lambda channel: channel.shutdown_write()),
        (cMSG_CHANNEL_DATA, lambda channel: channel.sendall(b"x")),
    ],
    ids=["the end of input", "data"],
)
def test_what_is_sent_late_ends_no_connection(lab_hosts, kind, send):
    class Late(OrderedTransport):
        def _send_user_message(self, data):
            if data.asbytes()[:1] == kind:
                wait_for(lambda: channel.closed, 10, "the host's end of the channel")
            super()._send_user_message(data)

    with connected(lab_hosts[1], Late) as transport:
        channel = transport.open_session()
        channel.exec_command("true")
        send(channel)
        for _ in range(2):
            other = transport.open_session()
            other.exec_command("printf x")
            assert (other.recv(10), other.recv_exit_status()) == (b"x", 0)


def test_why_a_host_hung_up_is_kept(lab_hosts):
    with connected(lab_hosts[1], OrderedTransport) as transport:
        odd = paramiko.Message()
        odd.add_byte(cMSG_CHANNEL_EOF)
        odd.add_int(99)
        transport._send_user_message(odd)
        wait_for(lambda: not transport.is_active(), 10, "an end of the connection")
        assert "nonexistent channel 99" in transport.last_words
