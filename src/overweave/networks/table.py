"""All networks of all hosts, one row each: 25 hosts are to stay readable. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from overweave.facts.networks import HostNetworks

from .model import Presence, Row
from .records import UNKNOWN, Record

PREDEFINED = ("bridge", "docker_gwbridge", "host", "none")
"""Networks that engines make by themselves; they come last."""


def rows(seen: Mapping[str, HostNetworks], known: Mapping[str, Sequence[Record]]) -> tuple[Row, ...]:
    """A network of many hosts has one id on all of them, and is one row. Local ones are one row where they
    have name, driver and flags in common, whatever their ids."""
    groups: dict[tuple[object, ...], dict[str, Record]] = {}
    told = {r.fact.id: r for its in known.values() for r in its if r.listed}
    for host, its in known.items():
        for record in its:
            # What an engine does not list now, another may.
            groups.setdefault(_key(told.get(record.fact.id, record)), {})[host] = record
    here = {a.plug.id for its in known.values() for record in its for a in record.attached}
    made = []
    for hosts in groups.values():
        first = next((r for r in hosts.values() if r.listed), next(iter(hosts.values())))
        foreign = {p.id: p.name for r in hosts.values() for p in r.foreign if p.id not in here}
        made.append(
            Row(
                name=first.fact.name,
                driver=first.fact.driver,
                scope=first.fact.scope,
                flags=first.flags,
                hosts={host: _presence(seen[host], record) for host, record in hosts.items()},
                elsewhere=tuple(sorted(foreign.values())),
            )
        )
    return tuple(sorted(made, key=_order))


def _key(record: Record) -> tuple[object, ...]:
    fact = record.fact
    # Of one that no engine lists, only an overlay is known to be of many hosts.
    if fact.scope == "local" or not fact.driver:
        return fact.name, fact.driver, record.flags
    return (fact.id,)


def _presence(seen: HostNetworks, record: Record) -> Presence:
    # Without its containers, an engine's list of a network has its endpoints all the same, and the other way
    # round: but for a network that neither has, there is none.
    told = seen.containers is not None or seen.networks is not None
    return Presence(
        id=record.fact.id,
        subnets=record.fact.subnets,
        vnis=record.vnis,
        endpoints=len(record.attached) if told else None,
        listed=record.listed,
    )


def _order(row: Row) -> tuple[object, ...]:
    return row.scope == "local", row.name in PREDEFINED and row.scope == "local", row.name, row.driver


def notes(rows: Sequence[Row], told: Collection[str]) -> Iterator[str]:
    """What is easily overlooked in the table, each in a sentence with the next step. ``told`` are the hosts
    whose engines listed their networks."""
    for name in dict.fromkeys(row.name for row in rows):
        wide = [row for row in rows if row.name == name and row.scope not in ("local", UNKNOWN)]
        if len(wide) > 1:
            yield (
                f"{len(wide)} networks of many hosts have the name {name}, with ids of their own: containers "
                "on one don't reach those on another; `fab status` shows which host has which"
            )
    for row in rows:
        hidden = [host for host, its in row.hosts.items() if not its.listed and host in told]
        if hidden:
            yield (
                f"{row.name}: containers are on it, and the engine of {_few(hidden)} does not list it: "
                "is its store away? `fab store-status` shows it"
            )
        if row.elsewhere:
            count = len(row.elsewhere)
            yield (
                f"{row.name}: {count} endpoint{'s' * (count > 1)} on none of these hosts "
                f"({_few(row.elsewhere)}): on others, or stale; `fab doctor` over all hosts knows"
            )


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
