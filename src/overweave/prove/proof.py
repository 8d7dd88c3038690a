"""Runs a proof: every directed pair of hosts, between containers on the network."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from overweave.errors import Refused
from overweave.facts import namespaces
from overweave.facts.namespaces import Namespace
from overweave.fleet import Cancel, each
from overweave.ports import Clock, Progress, Reader, Writer

from . import agents, busybox, probes
from .choice import Choice
from .diagnose import causes
from .matrix import HEAVY, Evidence, Isolation, Matrix, Pair, Verdict, neighbours
from .signs import Context


@dataclass(frozen=True)
class Place:
    """What is proven: a ``network`` by name and id, whose containers have ``mtu`` bytes, and hosts are to
    carry ``underlay_mtu`` for (0 where nothing is measured between them); ``vteps`` are the
    hosts' advertise addresses, ``stands`` containers that run on it for good, by host; ``image`` is for those
    that are made for the proof where there are none. ``avoid``: addresses that must not answer from it."""

    network: str
    network_id: str
    mtu: int
    vteps: Mapping[str, str]
    image: str
    stands: Mapping[str, str] = field(default_factory=dict)
    avoid: Mapping[str, str] = field(default_factory=dict)
    underlay_mtu: int = 0


@dataclass(frozen=True)
class Seen:
    """A proof's verdicts, and what a diagnosis needs beside them."""

    matrix: Matrix
    rows: Mapping[tuple[str, str], str]
    lost: Mapping[str, str]
    down: frozenset[str]
    unknown: frozenset[tuple[str, str]] = frozenset()


def prove(
    writers: Mapping[str, Writer],
    place: Place,
    choice: Choice,
    *,
    clock: Clock,
    cancel: Cancel,
    progress: Progress,
) -> Seen:
    """Make the chosen checks of the overlay. Red pairs are no error: they are in the matrix.

    Between the containers that stand on the network, unless some host has none, or new ones were asked for.
    Raises where a probe can't be started; probes are removed in every case.
    """
    started = clock.monotonic()
    with contextlib.ExitStack() as stack:
        port = probes.any_port()
        standing = not choice.fresh and place.stands.keys() == writers.keys()
        if standing:
            stands = each(
                writers,
                lambda name: probes.stand(writers[name].engine, name, place.stands[name], place.network),
                cancel=cancel,
            ).all()
        else:
            progress("", f"proof: a probe container on each of {len(writers)} hosts")
            stands = stack.enter_context(
                probes.running(writers, image=place.image, network=place.network, port=port, cancel=cancel)
            )
        progress("", f"proof: {len(writers) * (len(writers) - 1)} directed pairs")
        ring = wanted = wanted_checks(tuple(writers), choice)
        before = look(writers, place, cancel)
        answers = agents.ask(
            writers,
            stands,
            wanted,
            mtu=place.mtu,
            patience=choice.patience,
            avoid=place.avoid if choice.isolation else {},
            clock=clock,
            cancel=cancel,
        )
        verdicts, lost = answers.verdicts, answers.lost
        if answers.no_perl:
            progress("", f"no perl on {', '.join(sorted(answers.no_perl))}: the containers' own tools check")
            wanted = {
                pair: tuple(c for c in checks if c in (*busybox.BUSYBOX_CHECKS, "vxlan"))
                for pair, checks in wanted.items()
            }
            if not any(wanted.values()):
                lacking = ", ".join(sorted(answers.no_perl))
                raise Refused(
                    f"none of the chosen checks can be made without perl, which is not on {lacking}",
                    hint=f"install perl there, or choose of {', '.join((*busybox.BUSYBOX_CHECKS, 'vxlan'))}",
                )
            if standing:
                stack.enter_context(
                    probes.serving(writers, stands, image=place.image, port=port, cancel=cancel)
                )
            verdicts = busybox.ask(writers, stands, wanted, port=port, mtu=place.mtu, cancel=cancel)
            lost = {}
        after = look(writers, place, cancel)
    rows = {
        (a, b): after[a].vtep_of(stands[b].address, stands[b].mac)
        for a in after
        for b in stands
        if a != b and after[a].links
    }
    pairs = tuple(
        Pair(
            a,
            b,
            _with_row(checks, (a, b), stands[b].address, verdicts, rows, place, before, after),
            wanted=checks,
        )
        for (a, b), checks in wanted.items()
    )
    matrix = Matrix(
        place.network,
        tuple(writers),
        pairs,
        {name: _evidence(name, place, before, after) for name in writers},
        checks=choice.overlay,
        between="containers that stand on the network" if standing else "containers made for this proof",
        left_out=left_out(ring, choice),
        without_perl=tuple(sorted(answers.no_perl)),
        isolation=tuple(
            Isolation(host, target, target if target in answers.reached.get(host, ()) else "")
            for host in writers
            for target in (place.avoid if choice.isolation else ())
            # One that was lost later on may have told before that it reached something.
            if host not in answers.lost or target in answers.reached.get(host, ())
        ),
    )
    down = frozenset(name for name, its in after.items() if any(not link.up for link in its.vxlans()))
    unknown = frozenset((a, b) for a, b in rows if after[a].bridged and not after[a].knows(stands[b].address))
    return Seen(replace(matrix, seconds=clock.monotonic() - started), rows, lost, down, unknown)


def explained(
    seen: Seen, context: Context, underlay: Mapping[tuple[str, str], Mapping[str, Verdict]]
) -> Matrix:
    """The matrix with the ``underlay``'s verdicts, and its red pairs' causes."""
    matrix = replace(
        seen.matrix,
        pairs=tuple(
            replace(pair, underlay=underlay.get((pair.source, pair.target), {})) for pair in seen.matrix.pairs
        ),
    )
    known = replace(context, rows=seen.rows, lost=seen.lost, down=seen.down, unknown=seen.unknown)
    return replace(matrix, causes=causes(matrix, known))


def wanted_checks(hosts: tuple[str, ...], choice: Choice) -> dict[tuple[str, str], tuple[str, ...]]:
    """Which checks each directed pair is to pass: in a large fleet, the heavy ones go round a ring."""
    near = {name: frozenset(neighbours(hosts, name)) for name in hosts}
    return {
        (a, b): tuple(c for c in choice.overlay if c not in HEAVY or b in near[a])
        for a in hosts
        for b in hosts
        if a != b
    }


def left_out(wanted: Mapping[tuple[str, str], tuple[str, ...]], choice: Choice) -> dict[str, int]:
    """How many pairs go without a chosen check, by check."""
    counts = {c: sum(c not in checks for checks in wanted.values()) for c in choice.overlay}
    return {check: count for check, count in counts.items() if count}


NOWHERE = Namespace("", 0, (), (), (), ())


def look(readers: Mapping[str, Reader], place: Place, cancel: Cancel) -> dict[str, Namespace]:
    """The network's namespace on each host; an empty one where it has none."""
    asked = namespaces.ask(namespaces.pattern(place.network_id))

    def of_host(name: str) -> Namespace:
        (result,) = readers[name].ask(asked.query)
        return namespaces.newest(namespaces.parse(result, asked.mark), place.network_id) or NOWHERE

    # A host that went away meanwhile is told by its agent, or by its rows that are not known.
    return dict.fromkeys(readers, NOWHERE) | each(readers, of_host, cancel=cancel).values


def _evidence(
    name: str, place: Place, before: Mapping[str, Namespace], after: Mapping[str, Namespace]
) -> Evidence:
    old, new = before[name].vxlans(), after[name].vxlans()
    return Evidence(
        vni=new[0].vni if new else 0,
        vtep=place.vteps[name],
        sent=sum(link.sent for link in new) - sum(link.sent for link in old),
        received=sum(link.received for link in new) - sum(link.received for link in old),
    )


def _with_row(
    checks: tuple[str, ...],
    pair: tuple[str, str],
    address: str,
    verdicts: Mapping[tuple[str, str], dict[str, Verdict]],
    rows: Mapping[tuple[str, str], str],
    place: Place,
    before: Mapping[str, Namespace],
    after: Mapping[str, Namespace],
) -> dict[str, Verdict]:
    found = dict(verdicts.get(pair, {}))
    if "vxlan" in checks and pair in rows:
        source, target = pair
        evidence = _evidence(source, place, before, after)
        row = rows[pair]
        moved = evidence.sent > 0
        still = "no packet went through the vxlan device"
        if not before[source].knows(address):
            still += ": the neighbour row came while it was checked"
        found["vxlan"] = Verdict(
            row == place.vteps[target] and moved,
            (f"VNI {evidence.vni} to {row}" if moved else still) if row else "no forwarding row",
        )
    return found
