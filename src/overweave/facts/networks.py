"""What a host knows of its networks: its engine's lists of them and of containers, its kernel's devices.

The lists are made by the engine's own client on the host: hundreds of containers are one round trip, and an
engine that does not answer is waited for no longer than it should.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from overweave.command import Result, query_script
from overweave.ports import Json, Reader
from overweave.printable import one_line
from overweave.render import script

from . import containers, namespaces
from .containers import ContainerFact
from .engine import NetworkFact, parse_network
from .namespaces import HOST, OVERLAYS, Namespace
from .typed import NONSENSE, text

T = TypeVar("T")

SANDBOXES = ("[0-9a-f]" * 12, "lb_*", "ingress_sbox")
"""Namespaces of containers, and of what a swarm's engine runs for itself."""
SECONDS = 10
"""What an engine may take for all of its networks. While a key-value store does not answer, Docker 20.10 can
take more than 60 s (measured), and who asks then is in a hurry."""
STOPPED = "its engine does not run: `systemctl status docker` there says why"
NONE_HERE = "ep-"
"""What the key of an endpoint begins with that no sandbox of this host has (libnetwork's
``buildDetailedNetworkResources``); of a network that is one for many hosts, most are such."""


@dataclass(frozen=True)
class Plug:
    """An endpoint as its network has it. ``holder`` is the id of the container, or the word for a sandbox
    that the engine has for itself (``ingress-sbox``); "" where no sandbox of this host has it. ``address`` is
    IPv4 in CIDR form, "" where the driver gives none."""

    id: str
    name: str
    holder: str
    address: str
    mac: str


@dataclass(frozen=True)
class NetworkSeen:
    fact: NetworkFact
    plugs: tuple[Plug, ...]


@dataclass(frozen=True)
class HostNetworks:
    """``networks`` and ``containers`` are None where the engine did not tell them; ``problems`` say why.

    ``namespaces`` are by name, the host's own as `HOST`. ``inodes`` tell which namespace a process is in, by
    its id; ``name_servers`` are by the path of a container's resolv.conf.
    """

    host: str
    networks: tuple[NetworkSeen, ...] | None
    containers: tuple[ContainerFact, ...] | None
    namespaces: Mapping[str, Namespace] = field(default_factory=dict)
    inodes: Mapping[int, int] = field(default_factory=dict)
    name_servers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    @property
    def own(self) -> Namespace | None:
        return self.namespaces.get(HOST)


def look(reader: Reader, *, devices: bool) -> HostNetworks:
    """One round trip. ``devices``: also those of the host itself and of each sandbox, not only overlays'.

    Raises `ConnectionProblem` and `CommandFailed`; what an engine does not tell is a value.
    """
    name, mark = reader.host.name, secrets.token_hex(16)
    asked = [namespaces.ask(OVERLAYS)]
    if devices:
        asked.append(namespaces.ask("", *SANDBOXES, links_only=True))
    told, listed, *spaces = reader.ask(
        query_script(script("look-at-networks.sh"), str(SECONDS)),
        query_script(script("look-at-containers.sh"), mark, str(SECONDS)),
        *(its.query for its in asked),
    )
    found = {
        its: space
        for answer, look in zip(spaces, asked, strict=True)
        for its, space in namespaces.parse(answer, look.mark).items()
    }
    problems: list[str] = []
    networks = _told(told, "networks", problems, lambda: parse_networks(told.stdout))
    parts = listed.stdout.split(f"{mark}\n")
    those = _told(listed, "containers", problems, lambda: parse_containers(parts[0], name))
    if devices and HOST not in found:
        said = one_line(spaces[-1].stderr.strip(), 200) or "the host's own is not in the answer"
        problems.append(f"its network namespaces could not be looked at: {said}")
    return HostNetworks(
        host=name,
        networks=networks,
        containers=those,
        namespaces=found,
        inodes=parse_inodes(parts[1] if len(parts) > 1 else ""),
        name_servers=parse_name_servers(parts[2] if len(parts) > 2 else ""),
        problems=tuple(dict.fromkeys(problems)),
    )


def _told(result: Result, what: str, problems: list[str], parse: Callable[[], T]) -> T | None:
    """What an engine told, None where it did not; then a problem more."""
    if result.ok:
        try:
            return parse()
        except NONSENSE as e:
            problems.append(
                f"its engine's answer about its {what} makes no sense: {type(e).__name__}: {one_line(e, 200)}"
            )
            return None
    if result.status == 3:
        problems.append(STOPPED)
    elif result.status in (124, 137):
        problems.append(
            f"its engine did not tell its {what} within {SECONDS} s: is its store away? "
            "`fab store-status` shows it"
        )
    else:
        said = one_line(result.stderr.strip(), 200) or f"exit code {result.status}"
        problems.append(f"its engine does not tell its {what}: {said}")
    return None


def parse_networks(lines: str) -> tuple[NetworkSeen, ...]:
    """From ``GET /networks/ID`` of each, one in a line. Raises as `parse_network` does."""
    return tuple(NetworkSeen(parse_network(raw), plugs(raw)) for raw in _objects(lines))


def plugs(raw: Json) -> tuple[Plug, ...]:
    """Of one network as its engine tells it. Raises as `parse_network` does."""
    return tuple(
        Plug(
            id=text(its.get("EndpointID") or ""),
            name=text(its.get("Name") or ""),
            holder="" if text(holder).startswith(NONE_HERE) else text(holder),
            address=text(its.get("IPv4Address") or ""),
            mac=text(its.get("MacAddress") or "").lower(),
        )
        for holder, its in sorted((raw.get("Containers") or {}).items())
    )


def parse_containers(lines: str, host: str) -> tuple[ContainerFact, ...]:
    """From answers in the form of ``GET /containers/ID/json``, one in a line. Raises as `containers.fact`."""
    raws = {text(raw["Id"]): raw for raw in _objects(lines)}
    return tuple(
        containers.fact(raw, raws.get(containers.owner_of(raw), raw), host)
        for raw in sorted(raws.values(), key=lambda raw: str(raw.get("Name")))
    )


def _objects(lines: str) -> Iterable[Json]:
    """Raises `ValueError` for what is no JSON."""
    return [json.loads(line) for line in lines.splitlines() if line.strip()]


def parse_inodes(lines: str) -> dict[int, int]:
    """Of network namespaces, by process id, from lines as ``4026532315 /proc/1060/ns/net``."""
    return {
        int(pid): int(inode)
        for inode, pid in re.findall(r"^(\d{1,19}) /proc/(\d{1,19})/ns/net$", lines, re.M | re.A)
    }


def parse_name_servers(lines: str) -> dict[str, tuple[str, ...]]:
    """By path, from lines of a container's resolv.conf with the path in front."""
    found: dict[str, tuple[str, ...]] = {}
    for line in lines.splitlines():
        path, colon, words = line.partition(":nameserver")
        if colon and words.strip():
            key = one_line(path, 4096)
            found[key] = (*found.get(key, ()), one_line(words.strip(), 50))
    return found
