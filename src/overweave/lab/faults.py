"""Ways to break one host, each with its undo. `clear` undoes all that a power cycle does not.

A power cycle makes a host's network anew, so it ends the other faults too, as it does on real hosts.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path

from overweave.errors import CommandFailed, UsageError

from . import network, process, slowlink
from .host import LabHost
from .locking import locked
from .readiness import wait_until_up
from .shell import must
from .waiting import wait_for

CHAIN = "OVERWEAVE-FAULTS"
"""Holds the rules of `drop` and `cut`, and nothing else, so that `clear` removes exactly those."""

_OFFLOADS = ("tx", "tso", "gso")


def kill_engine(host: LabHost) -> None:
    """Kill dockerd with SIGKILL. systemd starts it again at once, up to 3 times a minute."""
    _inside(host, "systemctl", "kill", "--kill-who=main", "--signal=KILL", "docker.service")


def start_engine(host: LabHost) -> None:
    """Undo `kill_engine`, however often it was killed: returns when the engine is active."""
    _inside(host, "systemctl", "reset-failed", "docker.service", "docker.socket")
    _inside(host, "systemctl", "start", "docker.service")


def power_off(host: LabHost, *, hard: bool = True) -> None:
    """Power the host off; it keeps its disk. ``hard``: all at once and without a sync, else in order."""
    with locked(host.spec.lock, keep=True):
        if hard:
            host.kill()
        else:
            host.shut_down()


def power_on(host: LabHost) -> None:
    """Undo `power_off`: boot the host, and return when it answers ssh and its engine is active."""
    with locked(host.spec.lock, keep=True) as lock:
        if not host.running:
            host.kill()
            host.start(lock)
    wait_until_up([host], lambda _: None)


def drop(host: LabHost, protocol: str, port: int, peer: str | None = None) -> None:
    """Drop what comes to or goes to a port: ``protocol`` tcp or udp, only from and to the address ``peer``.

    Raises `UsageError` for another protocol or an impossible port. Dropping twice is dropping once.
    """
    _add(host, _rules(protocol, port, peer))


def undrop(host: LabHost, protocol: str, port: int, peer: str | None = None) -> None:
    """Undo the `drop` with the same arguments; no error if there was none."""
    for rule in _rules(protocol, port, peer):
        host.run(("iptables", "-w", "-D", CHAIN, *rule))
    if "-A" not in host.run(("iptables", "-w", "-S", CHAIN)).stdout:
        _undrop_all(host)


def cut(host: LabHost, *peers: str) -> None:
    """Drop all that goes between the host and the addresses ``peers``, until `clear`."""
    _add(host, [(way, peer, "-j", "DROP") for peer in peers for way in ("-s", "-d")])


def netem(host: LabHost, *, loss_percent: float = 0, delay_ms: float = 0) -> None:
    """Lose or delay what leaves the host; takes the place of an earlier `netem`.

    ``loss_percent`` is the share of packets that are lost, ``delay_ms`` is in milliseconds. Where the
    kernel has no netem, a program carries the packets instead.
    """
    if not 0 <= loss_percent <= 100 or delay_ms < 0:
        raise UsageError(
            f"can't lose {loss_percent:g} % or delay by {delay_ms:g} ms",
            hint="a loss goes from 0 to 100, and a delay begins at 0",
        )
    undo_netem(host)
    effect = ("netem", "loss", f"{loss_percent:g}%", "delay", f"{delay_ms:g}ms")
    result = host.run(("tc", "qdisc", "replace", "dev", "eth0", "root", *effect))
    if "qdisc kind is unknown" in result.output:
        _slow_down(host, loss_percent, delay_ms)
    elif not result.ok:
        raise CommandFailed(result.command.shell(), result.status, result.output, host=host.name)


def undo_netem(host: LabHost) -> None:
    """No error if there was no `netem`."""
    qdiscs = json.loads(_inside(host, "tc", "-json", "qdisc", "show", "dev", "eth0"))
    if any(qdisc["kind"] == "netem" for qdisc in qdiscs):
        _inside(host, "tc", "qdisc", "delete", "dev", "eth0", "root")
    if carrier := process.living(_carrier(host)):
        process.kill(carrier)
        wait_for(lambda: not process.living(_carrier(host)), 10, "the end of the slow cable", host=host.name)
        must("ip", "link", "set", host.spec.veth(host.number), "arp", "on")
        network.attach(host.spec, host.spec.veth(host.number))
        _inside(host, "ethtool", "-K", "eth0", *(word for name in _OFFLOADS for word in (name, "on")))
    _carrier(host).unlink(missing_ok=True)


def mtu(host: LabHost, size: int) -> None:
    """Set the MTU of the host's eth0, in bytes. Larger packets that come to it are lost."""
    _inside(host, "ip", "link", "set", "dev", "eth0", "mtu", str(size))


def undo_mtu(host: LabHost) -> None:
    mtu(host, network.MTU)


def clear(host: LabHost) -> None:
    """Undo every `drop`, `cut`, `netem` and `mtu` of a running host."""
    _undrop_all(host)
    undo_netem(host)
    undo_mtu(host)


def _inside(host: LabHost, *words: str) -> str:
    result = host.run(words)
    if not result.ok:
        raise CommandFailed(result.command.shell(), result.status, result.output, host=host.name)
    return result.stdout


def _rules(protocol: str, port: int, peer: str | None) -> list[tuple[str, ...]]:
    if protocol not in ("tcp", "udp") or not 1 <= port <= 65535:
        raise UsageError(f"{protocol} {port} is not a port", hint="as in: udp 4789")
    to_port = ("-p", protocol, "--dport", str(port), "-j", "DROP")
    return [to_port] if peer is None else [("-s", peer, *to_port), ("-d", peer, *to_port)]


def _add(host: LabHost, rules: Iterable[tuple[str, ...]]) -> None:
    if not host.run(("iptables", "-w", "-n", "-L", CHAIN)).ok:
        _inside(host, "iptables", "-w", "-N", CHAIN)
    for hook in ("INPUT", "OUTPUT"):
        if not host.run(("iptables", "-w", "-C", hook, "-j", CHAIN)).ok:
            _inside(host, "iptables", "-w", "-I", hook, "-j", CHAIN)
    for rule in rules:
        if not host.run(("iptables", "-w", "-C", CHAIN, *rule)).ok:
            _inside(host, "iptables", "-w", "-A", CHAIN, *rule)


def _undrop_all(host: LabHost) -> None:
    for hook in ("INPUT", "OUTPUT"):
        host.run(("iptables", "-w", "-D", hook, "-j", CHAIN))
    host.run(("iptables", "-w", "-F", CHAIN))
    host.run(("iptables", "-w", "-X", CHAIN))


def _carrier(host: LabHost) -> Path:
    return host.folder / "slowlink"


def _slow_down(host: LabHost, loss_percent: float, delay_ms: float) -> None:
    spec, veth = host.spec, host.spec.veth(host.number)
    plug = spec.plug(host.number)
    # Only whole frames of the wire's size can be carried: no segments left to a network card.
    _inside(host, "ethtool", "-K", "eth0", *(word for name in _OFFLOADS for word in (name, "off")))
    with locked(spec.lock, keep=True) as lock:
        program = (sys.executable, slowlink.__file__, veth, plug, str(loss_percent), str(delay_ms))
        process.start(_carrier(host), program, log=host.console, lock=lock)
    wait_for(lambda: Path("/sys/class/net", plug).exists(), 10, "a slow cable", host=host.name)
    # Off the bridge this machine would answer ARP for itself on the cable, past the program.
    must("ip", "link", "set", veth, "nomaster", "arp", "off")
    network.attach(spec, plug)
