"""What is on a live overlay: containers, namespaces and journals of all hosts, and the store's records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from overweave.command import query_script
from overweave.errors import EngineError, OverweaveError
from overweave.ports import Reader, unless_gone
from overweave.printable import one_line

from . import attachments, containers, namespaces
from .attachments import Attachment
from .engine import Engine
from .fleet import FleetFacts
from .libnetwork import Records
from .namespaces import Namespace
from .typed import NONSENSE
from .unit import UNIT, Unit

NAMED = "/run/netns/*"
"""Namespaces that somebody has named by hand, or a killed program has left."""
JOURNAL = query_script(
    'pid=$(systemctl show -p MainPID --value "$1")\n'
    '[ "${pid:-0}" = 0 ] || journalctl "_PID=$pid" -o cat --no-pager -n 2000 2>/dev/null | tail -c 150000',
    UNIT,
)
"""What the running engine has said since its start, its last 2000 lines."""


@dataclass(frozen=True)
class HostLive:
    """``attachments`` is None where the engine does not answer. ``host`` is the host's own namespace,
    ``docker`` those in Docker's folder by name, ``named`` those under `NAMED` by path. ``inspected``
    are the endpoints of those containers that were asked for by name. ``peers``, of a swarm alone: the
    addresses that its engine sees in the gossip of each network, by the network's id."""

    attachments: tuple[Attachment, ...] | None
    host: Namespace | None
    docker: Mapping[str, Namespace]
    named: Mapping[str, Namespace]
    journal: str = ""
    inspected: frozenset[str] = frozenset()
    peers: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Live:
    """``fleet`` has what `fab status` looks at. ``records`` is None where the store does not answer.
    ``chosen`` are the addresses that a deployment would have the engines advertise now."""

    fleet: FleetFacts
    hosts: Mapping[str, HostLive]
    records: Records | None
    chosen: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def vteps(self) -> Mapping[str, str]:
        """The addresses that the running engines advertise; none for an engine that runs without."""
        found = {name: self.fleet.hosts[name].advertised for name in self.hosts}
        return {name: address for name, address in found.items() if address}

    @property
    def carrying(self) -> tuple[str, ...]:
        """Hosts whose running engine has a cluster store, or is in a swarm."""
        return tuple(
            name
            for name, its in self.fleet.hosts.items()
            if (isinstance(its.engine, Engine) and its.engine.member.active)
            or (isinstance(its.unit, Unit) and its.unit.uses_store)
        )


def look(reader: Reader) -> HostLive:
    """One round trip, and one call to the engine. Raises `ConnectionProblem` where that can't be done, and
    `OverweaveError` where not even the host's own namespace could be read: no rows seen is not no rows."""
    try:
        of_engine = reader.engine.containers()
    except EngineError:
        of_engine = None
    wanted = namespaces.ask("", namespaces.OVERLAYS, NAMED)
    seen, journal = reader.ask(wanted.query, JOURNAL)
    try:
        attached = None if of_engine is None else attachments.parse(of_engine)
    except NONSENSE as e:
        raise OverweaveError(
            f"the engine's containers make no sense: {type(e).__name__}: {one_line(e)}",
            host=reader.host.name,
            hint="please report this with the output of `docker ps -a`",
        ) from e
    found = namespaces.all_of_host(seen, wanted.mark, reader.host.name)
    return HostLive(
        attachments=attached,
        host=found.pop(namespaces.HOST, None),
        docker={name: its for name, its in found.items() if not name.startswith("/")},
        named={name: its for name, its in found.items() if name.startswith("/")},
        journal=journal.stdout,
    )


def inspect(reader: Reader, names: Iterable[str]) -> frozenset[str]:
    """The endpoints that the engine itself has for containers of these names, also while they start: its list
    has them some time later. Raises `EngineError` where it can't tell; one that is not there has none."""
    found = set()
    for name in names:
        its = unless_gone(containers.inspect, reader.engine, reader.host.name, name)
        endpoints = its.endpoints if its else ()
        found |= {endpoint.id for endpoint in endpoints if endpoint.id}
    return frozenset(found)
