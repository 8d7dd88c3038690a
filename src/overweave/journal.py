"""What an engine's journal, and the store's log, say about why something failed: a catalogue. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .command import query_script
from .undo import NOTES


@dataclass(frozen=True)
class Signature:
    """``pattern`` is searched in every line; its first group, if any, is filled into ``cause`` and
    ``remedy`` as {0}. ``source`` is where users met it. ``passing``: an engine says that for a moment
    when all goes well, too."""

    pattern: str
    cause: str
    remedy: str
    source: str = ""
    passing: bool = False


SIGNATURES = (
    Signature(
        r"directives are specified both as a flag and in the configuration file: ([a-z-]+)",
        "{0} is given both as a flag and in /etc/docker/daemon.json",
        "remove {0} from /etc/docker/daemon.json",
        "moby#31359",
    ),
    Signature(
        r"discovery service not supported",
        "this engine was built without the Consul store, as Debian 12's is",
        "use an engine that has it (20.10 of Docker's own packages or of Debian 11)",
    ),
    Signature(
        r"unknown flag: (--[a-z0-9-]+)",
        "the engine does not know the flag {0}",
        "`dockerd --help` on the host lists those it knows; cluster flags went after 20.10",
    ),
    Signature(
        r"unable to configure the Docker daemon with file \S+: (?!.*both as a flag)(.{0,100})",
        "the engine does not take its daemon.json: {0}",
        "mend /etc/docker/daemon.json",
    ),
    Signature(
        r"([0-9.]+:\d+|\[?:*\]?:\d+): bind: address already in use",
        "the port is taken: {0}",
        "`ss -Hlntup` on the host says by whom",
    ),
    Signature(
        r"no space left on device",
        "a disk is full",
        "make room: `df -h` and `df -i` on the host say where",
    ),
    Signature(
        r"(?:code=killed, status=9/KILL|signal: killed|code=dumped)",
        "the engine was killed",
        "`journalctl -k` on the host says whether memory ran out (oom)",
    ),
    Signature(
        r"dial tcp ([0-9.]+:\d+): (?:i/o timeout|connect: (?:connection (?:refused|timed out)|no route))",
        "the engine does not reach the store at {0}",
        "open that port from this host, and see that the store runs: `fab status`",
        "moby#29316",
        passing=True,
    ),
    Signature(
        r"No cluster leader",
        "the store has no leader",
        "see `docker logs consul` on the store's host",
        "moby#18841",
        passing=True,
    ),
    Signature(
        r"minority in name conflict resolution",
        "another host has the same host name",
        "`hostnamectl set-hostname NAME` on one of them",
        "docker/classicswarm#1573",
    ),
    Signature(
        r"error creating vxlan interface: file exists",
        "a vxlan device of an earlier engine is left over",
        "`fab repair` removes it",
        "moby/libnetwork#1765",
    ),
    Signature(
        r'failed to create bridge "ov-[^"]+": file exists',
        "the engine is stuck with a namespace of that network that it has made only half of",
        "`fab repair` restarts the engine, if you let it",
    ),
    Signature(
        r"Value exceeds (\d+) byte limit",
        "the store refuses a value above {0} bytes",
        "remove networks that nobody uses",
        "docker/classicswarm#1941",
    ),
    Signature(
        r"incompatible with swarm mode",
        "the engine is in swarm mode, which forbids a cluster store",
        "`docker swarm leave` if the swarm is not needed",
    ),
    Signature(
        r"[Ee]nabling IP forwarding failed",
        "the engine may not switch on IP forwarding",
        "`sysctl -w net.ipv4.ip_forward=1` on the host",
    ),
    Signature(
        r"(?:failed to find iptables|[Ff]ailed to create NAT chain|[Ff]ailed to Setup IP tables)",
        "the engine can't write its firewall rules",
        "`iptables -t nat -L` on the host says why",
        "moby#50443",
    ),
    Signature(
        r"x509: certificate has expired or is not yet valid",
        "a certificate is not valid at the host's time",
        "compare `date` on the host with another's, then renew the certificate",
        "moby#24078",
    ),
    Signature(
        r"(x509: certificate (?:signed by unknown authority|is valid for .{0,80}, not [\w.]+)"
        r"|remote error: tls: .{0,40})",
        "the engine and its store do not know each other's certificates: {0}",
        "`fab deploy-overlay` gives them certificates that fit",
    ),
    Signature(
        r"error initializing graphdriver: (.{0,100})",
        "the engine can't use its storage: {0}",
        "`docker info` on a host that works says which driver it should be",
    ),
    Signature(
        r"(?:[Ss]tart request repeated too quickly|start-limit-hit)",
        "systemd gave up: the unit was started too often in a short time",
        "`systemctl reset-failed docker`, once the reason above it is mended",
    ),
)
"""The most telling first: what a line of the first kind explains may bring lines of the last."""

SINCE_THE_CHANGE = query_script(
    'journalctl -u docker -o cat --no-pager -n 300 --since "@$(stat -c %Y "$1/take-back")" 2>/dev/null\n'
    'timeout "$2" docker logs --tail 50 consul 2>&1 | tail -c 20000',
    NOTES,
    "10",
)
"""The engine's journal since the first note of a run, and the last words of the store if it is here.

While systemd listens for an engine and does not start it, a CLI waits for an answer without an end."""


@dataclass(frozen=True)
class Cause:
    text: str
    remedy: str
    passing: bool = False


def causes(text: str) -> tuple[Cause, ...]:
    """What known signatures in a journal mean, the most telling first."""
    found = []
    for signature in SIGNATURES:
        match = re.search(signature.pattern, text[-200_000:])
        if match:
            shown = "".join(c for c in (match[1] if match.groups() else "") if c.isprintable())
            source = f" ({signature.source})" if signature.source else ""
            found.append(
                Cause(
                    signature.cause.format(shown) + source, signature.remedy.format(shown), signature.passing
                )
            )
    return tuple(found)
