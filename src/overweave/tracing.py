"""Find two containers in the fleet, read the way between them, and send real packets along it."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace

from .errors import EngineError, UsageError
from .facts import capture, containers, echo
from .facts import way as ways
from .facts.capture import Capture
from .facts.containers import ContainerFact, Endpoint, Listed
from .facts.echo import Echo
from .facts.way import Side
from .fleet import each
from .session import Session
from .trace.build import places, size_of, way, with_capture
from .trace.choose import choose
from .trace.common import FOLLOWED, common, networks, unknown_driver
from .trace.hops import End
from .trace.model import Stopped, Trace


def trace(session: Session, source: str, target: str, *, network: str = "", watch: bool = False) -> Trace:
    """The way between two containers, named as `choose` takes them, with real packets in both directions.

    ``network`` is the one to follow where they share several; ``watch`` also sees the packets on each
    interface. Changes nothing on the hosts. Raises `UsageError` for what is no container.
    """
    session.progress("", f"looking for {source} and {target} on {_count(session)}")
    listed, silent = _list(session)
    chosen = [choose(word, listed, silent) for word in (source, target)]
    if chosen[0] == chosen[1]:
        raise UsageError(
            f"{source} and {target} are the same container", hint="name two containers: the packet has to go"
        )
    ends = _inspect(session, chosen)
    first, second = ends
    told = Trace(f"{first.name} on {first.host}", f"{second.name} on {second.host}")
    shared = common(first, second, network)
    if isinstance(shared, Stopped):
        return replace(told, stopped=shared)
    return _follow(session, told, ends, shared, watch=watch)


def _follow(
    session: Session, told: Trace, ends: Sequence[ContainerFact], shared: Sequence[Endpoint], *, watch: bool
) -> Trace:
    source, target = ends
    endpoint, *others = shared
    session.progress("", f"reading the way on network {endpoint.network}")
    sides = _look(session, ends, endpoint.network_id)
    network = sides[source.host].network or sides[target.host].network
    if network is None:
        seen = f"no engine knows the network {endpoint.network} any more"
        stopped = Stopped(seen, "connect both to a network that is there", networks(source, target))
        return replace(told, stopped=stopped)
    if network.driver not in FOLLOWED:
        return replace(told, stopped=unknown_driver(source, target, network.name, network.driver))
    first, second = (
        End(its, found, sides[its.host])
        for its in ends
        if (found := its.endpoint(endpoint.network_id)) is not None
    )
    token = secrets.token_hex(8)
    session.progress("", "sending real packets, both ways" + (", and watching them" if watch else ""))
    known = {h.reached_at: name for name, h in session.hosts.items()} | {
        side.vtep: name for name, side in sides.items() if side.vtep
    }
    names = ", ".join(e.network for e in others)
    notes = (f"they also share {names}: --network NAME follows another",) if others else ()
    there = way(first, second, network, echo=None, known=known)
    watched, echo_there = _send(session, first, second, token, places(there) if watch else ())
    _, echo_back = _send(session, second, first, secrets.token_hex(8), ())
    made = replace(
        told,
        network=network.name,
        driver=network.driver,
        there=replace(there, echo=echo_there),
        back=way(second, first, network, echo=echo_back, known=known),
        notes=notes,
    )
    return with_capture(made, watched, sides[source.host].port) if watched is not None else made


def _list(session: Session) -> tuple[list[Listed], dict[str, str]]:
    """All containers, and why an engine was not asked. Raises where none answers."""
    outcome = each(
        session.fleet.names,
        lambda name: containers.listing(session.hosts[name].engine, name),
        cancel=session.cancel,
    )
    if not outcome.values:
        outcome.all()
    for error in outcome.errors.values():
        if not isinstance(error, EngineError):
            raise error
    found = [its for listed in outcome.values.values() for its in listed]
    return found, {name: e.message for name, e in outcome.errors.items()}


def _inspect(session: Session, chosen: Sequence[Listed]) -> list[ContainerFact]:
    return [containers.inspect(session.hosts[its.host].engine, its.host, its.id) for its in chosen]


def _look(session: Session, ends: Sequence[ContainerFact], network_id: str) -> dict[str, Side]:
    """The hosts of both ends, and then what is under the overlay, for which the VTEPs must be known."""
    hosts = list(dict.fromkeys(end.host for end in ends))
    sides = each(
        hosts,
        lambda name: ways.look(session.hosts[name], [end for end in ends if end.host == name], network_id),
        cancel=session.cancel,
    ).all()
    if len(hosts) < 2:
        return sides
    return each(
        hosts,
        lambda name: ways.look_under(
            session.hosts[name],
            sides[name],
            [sides[other].vtep for other in hosts if other != name],
        ),
        cancel=session.cancel,
    ).all()


def _send(
    session: Session, source: End, target: End, token: str, watched: tuple[capture.Place, ...]
) -> tuple[Capture | None, Echo]:
    size = size_of(source)
    answers: list[Echo] = []

    def ping() -> None:
        query = echo.ask(source.container.sandbox, target.endpoint.address, size=size, token=token)
        (result,) = session.hosts[source.side.host].ask(query)
        answers.append(echo.parse(result, size=size, token=token))

    if not watched:
        ping()
        return None, answers[0]
    seen = capture.watch(
        session.hosts,
        watched,
        ping,
        token=token,
        port=source.side.port,
        clock=session.clock,
        cancel=session.cancel,
    )
    return seen, answers[0]


def _count(session: Session) -> str:
    count = len(session.fleet.hosts)
    return f"{count} host{'s' * (count > 1)}"
