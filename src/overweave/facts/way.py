"""What the hosts know of the way between two containers: their namespaces, rows, routes and filters."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from overweave.command import Query, query, query_script
from overweave.ports import Reader
from overweave.printable import one_line

from . import containers, firewall, namespaces
from .containers import ContainerFact
from .engine import parse_daemon_json
from .firewall import Firewall
from .namespaces import HOST, Namespace
from .typed import ipv4

VXLAN_PORT = 4789
"""Where an engine keeps the namespaces of its overlay networks."""


@dataclass(frozen=True)
class RouteTo:
    """How a host would send to an address. ``problem`` is what the kernel says where it would not."""

    device: str
    gateway: str
    source: str
    local: bool = False
    problem: str = ""


@dataclass(frozen=True)
class Side:
    """A host that the way goes through. ``overlay`` is None where there is no namespace of the network.
    ``vtep`` is the address that its engine tells peers, else the one that ssh reaches. ``routes`` are by
    address; ``listens`` are UDP ports with an open socket."""

    host: str
    own: Namespace | None
    overlay: Namespace | None
    sandboxes: Mapping[str, Namespace]
    vtep: str
    routes: Mapping[str, RouteTo] = field(default_factory=dict)
    listens: frozenset[int] = frozenset()
    firewall: Firewall = field(default_factory=lambda: Firewall(None, ()))

    @property
    def addresses(self) -> frozenset[str]:
        """All IPv4 addresses of the host itself."""
        links = self.own.links if self.own else ()
        return frozenset(a.partition("/")[0] for link in links for a in link.addresses)

    @property
    def port(self) -> int:
        """UDP, of the overlay's vxlan device."""
        return next((v.port for v in (self.overlay.vxlans() if self.overlay else ()) if v.port), VXLAN_PORT)


_ENGINE = (
    query_script(
        "pid=$(systemctl show -p MainPID --value docker.service)\n"
        'tr "\\0" "\\n" < "/proc/$pid/cmdline" | sed -n "s/^--cluster-advertise=//p" | head -n 1'
    ),
    query_script('test ! -e "$1" || cat "$1"', "/etc/docker/daemon.json"),
)
"""An engine with a store is not asked about its networks and its state: while the store can't be reached, the
first takes more than 60 s and the second 30 s (measured, 20.10.5). Of containers it tells at once."""


def look(reader: Reader, ends: Sequence[ContainerFact], network_id: str) -> Side:
    """``ends`` are the containers of this host that the way begins or ends at. One round trip of commands.

    Raises `EngineError` and `ConnectionProblem`.
    """
    name = reader.host.name
    overlay = namespaces.pattern(network_id) if re.fullmatch(r"[0-9a-z]{10,64}", network_id) else ""
    paths = {end.id: end.sandbox for end in ends if end.pid}
    asked = namespaces.ask("", *paths.values(), *([overlay] if overlay else []))
    answer, flag, file = reader.ask(asked.query, *_ENGINE)
    found = namespaces.parse(answer, asked.mark)
    own = found.get(HOST)
    settings = parse_daemon_json(file).settings
    told = flag.stdout.strip() or str(settings.get("cluster-advertise") or "")
    vtep = advertised(told, own) if told else containers.swarm_address(reader.engine, name)
    return Side(
        host=name,
        own=own,
        overlay=namespaces.newest(found, network_id) if overlay else None,
        sandboxes={id: found[path] for id, path in paths.items() if path in found},
        vtep=vtep or ipv4(reader.reached_at),
    )


def advertised(value: str, own: Namespace | None) -> str:
    """The address that ``cluster-advertise`` means: that of an interface, or an address, with a port. "" for
    anything else."""
    place = value.rpartition(":")[0] or value
    link = own.link(place) if own else None
    if link is not None:
        return next((a.partition("/")[0] for a in link.addresses), "")
    return ipv4(place)


def look_under(reader: Reader, side: Side, others: Sequence[str]) -> Side:
    """The side with what carries its overlay: routes to ``others`` (IPv4 addresses of peers), the open
    socket, and the firewall. One round trip. Raises `ConnectionProblem`."""
    addresses = [address for other in dict.fromkeys(others) if (address := ipv4(other))]
    queries: list[Query] = [query("ip", "-json", "route", "get", address) for address in addresses]
    answers = reader.ask(*queries, _SOCKETS, *firewall.QUERIES)
    routes = dict(zip(addresses, (route(a.stdout, a.stderr) for a in answers), strict=False))
    return replace(
        side,
        routes=routes,
        listens=ports(answers[len(queries)].stdout),
        firewall=firewall.parse(answers[len(queries) + 1 :]),
    )


_SOCKETS = query_script("cat /proc/net/udp /proc/net/udp6 | head -c 400000")
"""The socket of a vxlan device belongs to the host's namespace and to no process."""


def route(stdout: str, stderr: str) -> RouteTo:
    """An answer of ``ip -json route get``."""
    try:
        value = json.loads(stdout or "null")
    except (ValueError, RecursionError):
        value = None
    raw = value[0] if isinstance(value, list) and value and isinstance(value[0], dict) else None
    if raw is None or not isinstance(raw.get("dev"), str):
        said = one_line(stderr.strip().rpartition("answers: ")[2], 100) or "there is no answer"
        return RouteTo("", "", "", problem=said)
    gateway, source = (one_line(raw.get(key) or "", 50) for key in ("gateway", "prefsrc"))
    return RouteTo(one_line(raw["dev"], 50), gateway, source, local=raw.get("type") == "local")


def ports(table: str) -> frozenset[int]:
    """Local UDP ports of /proc/net/udp and udp6, which no tool gives as JSON."""
    return frozenset(int(port, 16) for port in re.findall(r"^ *\d+: [0-9A-F]+:([0-9A-F]{4}) ", table, re.M))
