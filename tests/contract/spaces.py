"""Hosts to measure between: namespaces of this machine on one wire, with programs of their own."""

from __future__ import annotations

import os
import socket
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.lab.bed import SLOT

from overweave.model import Access, Host

PREFIX = f"owpair{SLOT}-"
NETWORK = "10.98.9"
ONE, TWO, THREE = (f"{PREFIX}{n}" for n in (1, 2, 3))


def must(*words, text=None):
    return subprocess.run(words, check=True, capture_output=True, text=True, input=text).stdout


@dataclass
class Space:
    """A namespace as a host to look at. ``path``: where its programs are found."""

    name: str
    address: str
    path: str = os.environ["PATH"]
    processes: list[subprocess.Popen] = field(default_factory=list)

    @property
    def host(self):
        return Host(self.name, Access(self.address))

    def start(self, command):
        ours, its = socket.socketpair()
        process = subprocess.Popen(
            ("ip", "netns", "exec", self.name, "/usr/bin/env", f"PATH={self.path}", *command.words),
            stdin=its,
            stdout=its,
            stderr=subprocess.DEVNULL,
        )
        its.close()
        self.processes.append(process)
        return ours

    @property
    def process(self):
        """The last one that was started."""
        return self.processes[-1]

    def do(self, *words):
        return must("ip", "netns", "exec", self.name, *words)

    def run(self, *words):
        return subprocess.Popen(("ip", "netns", "exec", self.name, *words), stdout=subprocess.PIPE, text=True)

    def listening(self):
        return self.do("ss", "-Hlntu").splitlines()


@contextmanager
def on_one_wire():
    """Three of them, by name."""
    made = [Space(f"{PREFIX}{n}", f"{NETWORK}.{n}") for n in (1, 2, 3)]
    _remove()
    try:
        must("ip", "netns", "add", f"{PREFIX}0")
        must("ip", "-n", f"{PREFIX}0", "link", "add", "wire", "up", "type", "bridge")
        for n, space in enumerate(made, 1):
            must("ip", "netns", "add", space.name)
            must("ip", "-n", space.name, "link", "add", "eth0", "type", "veth", "peer", f"port{n}", "netns",
                 f"{PREFIX}0")  # fmt: skip
            must("ip", "-n", f"{PREFIX}0", "link", "set", f"port{n}", "master", "wire", "up")
            must("ip", "-n", space.name, "address", "add", f"{space.address}/24", "dev", "eth0")
            for link in ("eth0", "lo"):
                must("ip", "-n", space.name, "link", "set", link, "up")
        yield {space.name: space for space in made}
    finally:
        _remove()


def _remove():
    """Also what a killed run left."""
    for n in range(4):
        subprocess.run(("ip", "netns", "del", f"{PREFIX}{n}"), capture_output=True)
