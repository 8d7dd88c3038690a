"""What `fab networks` does: look at all hosts side by side, and sum up what they told."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator

from .errors import UsageError
from .facts import networks as facts
from .facts.networks import HostNetworks
from .fleet import each
from .networks.model import Overview, Presence
from .networks.records import Record, records
from .networks.table import notes, rows
from .networks.tree import tree
from .printable import one_line
from .session import Session

SHORTEST = 4
"""Characters of an id that are enough to name a network by."""


def look(session: Session, *, network: str = "", devices: bool = False) -> Overview:
    """All networks of all hosts, or the one of that name or that begin of an id. ``devices``: how they are
    built on each host, too. What a host does not tell is a problem of it, and the rest is told.

    Raises `UsageError` where no host has the network.
    """
    names = session.fleet.names
    session.progress("", f"looking at the networks of {len(names)} host{'s' * (len(names) > 1)}")
    outcome = each(names, lambda n: facts.look(session.hosts[n], devices=devices), cancel=session.cancel)
    problems: dict[str, tuple[str, ...]] = {name: (e.message,) for name, e in outcome.errors.items()}
    problems |= {name: its.problems for name, its in outcome.values.items() if its.problems}
    return overview(names, outcome.values, problems, network=network, devices=devices)


def overview(
    names: tuple[str, ...],
    seen: dict[str, HostNetworks],
    problems: dict[str, tuple[str, ...]],
    *,
    network: str = "",
    devices: bool = False,
) -> Overview:
    """As `look`, of what was seen."""
    known = {host: records(its) for host, its in seen.items()}
    if network:
        known = _narrowed(known, network, problems)
    table = rows(seen, known)
    order = {row_id: at for at, row in enumerate(table) for row_id in _ids(row.hosts.values())}
    trees = None
    if devices:
        trees = tuple(
            tree(its, sorted(known[host], key=lambda r: order[r.fact.id]), whole=not network)
            for host, its in seen.items()
            if its.containers is not None or its.networks is not None
        )
    wrong = (
        [(host, words) for host, its in known.items() for record in its for words in record.wrong]
        if trees is None
        else [(its.host, words) for its in trees for words in its.wrong]
    )
    return Overview(
        hosts=names,
        rows=table,
        problems=problems,
        wrong=tuple(wrong),
        notes=tuple(notes(table, [host for host, its in seen.items() if its.networks is not None])),
        trees=trees,
        names=_addresses(seen),
    )


def _narrowed(
    known: dict[str, tuple[Record, ...]], wanted: str, silent: dict[str, tuple[str, ...]]
) -> dict[str, tuple[Record, ...]]:
    """What has this name; where none has, what has an id that begins so."""
    everything = [record for its in known.values() for record in its]
    ids = {r.fact.id for r in everything if r.fact.name == wanted}
    ids = ids or {r.fact.id for r in everything if len(wanted) >= SHORTEST and r.fact.id.startswith(wanted)}
    if ids:
        return {host: tuple(r for r in its if r.fact.id in ids) for host, its in known.items()}
    close = difflib.get_close_matches(wanted, sorted({r.fact.name for r in everything}), n=1)
    asleep = "".join(f"; {host}: {', '.join(why)}" for host, why in silent.items())
    raise UsageError(
        f"there is no network '{one_line(wanted, 60)}'{asleep}",
        hint=f"did you mean {close[0]}?" if close else "`fab networks` lists those there are",
    )


def _ids(presences: Iterable[Presence]) -> Iterator[str]:
    yield from dict.fromkeys(its.id for its in presences)


def _addresses(seen: dict[str, HostNetworks]) -> dict[str, str]:
    """Hosts by their own addresses, to tell whom an overlay forwards to. Addresses of docker0 and the like
    are of many hosts."""
    found: dict[str, set[str]] = {}
    for host, its in seen.items():
        for link in its.own.links if its.own else ():
            for address in link.addresses:
                found.setdefault(address.partition("/")[0], set()).add(host)
    return {address: next(iter(hosts)) for address, hosts in found.items() if len(hosts) == 1}
