"""Find two containers in the fleet, read the way between them, and send real packets along it."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace

from .errors import EngineError, UsageError
from .facts import capture, containers, echo
from .facts import way as sides_of
from .facts.capture import Capture
from .facts.containers import ContainerFact, Endpoint, Listed
from .facts.echo import Echo
from .facts.way import Side
from .fleet import each
from .session import Session
from .trace.build import mended, network_of, places, size_of, way, with_capture, with_echoes
from .trace.choose import choose
from .trace.common import FOLLOWED, common, unknown_driver
from .trace.ends import End
from .trace.model import Network, Stopped, Trace


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
    endpoint, *others = shared
    session.progress("", f"reading the way on network {endpoint.network}")
    pair = _look(session, ends, endpoint.network_id)
    network = network_of(*pair)
    if network.driver not in FOLLOWED:
        return replace(told, stopped=unknown_driver(ends[0], ends[1], network.name, network.driver))
    names = ", ".join(e.network for e in others)
    notes = (f"they also share {names}: --network NAME follows another",) if others else ()
    told = replace(told, network=network.name, driver=network.driver, notes=notes)
    made = _ways(session, told, pair, network)
    session.progress("", "sending real packets, both ways" + (", and watching them" if watch else ""))
    watched, there, back = _send_both(session, pair, places(made) if watch else ())
    made = with_echoes(made, there, back)
    if made.arrives and made.broken:
        # A row that was missing may be there now: the engine looks a peer up when a packet asks for it.
        again = _look(session, ends, endpoint.network_id)
        made = mended(made, with_echoes(_ways(session, told, again, network), there, back))
    return made if watched is None else with_capture(made, watched, pair[0].side.port)


def _ways(session: Session, told: Trace, pair: tuple[End, End], network: Network) -> Trace:
    known = {h.reached_at: name for name, h in session.hosts.items()}
    known |= {end.side.vtep: end.side.host for end in pair if end.side.vtep}
    first, second = pair
    return replace(
        told, there=way(first, second, network, known=known), back=way(second, first, network, known=known)
    )


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


def _look(session: Session, ends: Sequence[ContainerFact], network_id: str) -> tuple[End, End]:
    """The hosts of both ends, and then what is under the overlay, for which the VTEPs must be known."""
    hosts = list(dict.fromkeys(end.host for end in ends))

    def look(name: str) -> Side:
        mine = [end for end in ends if end.host == name]
        return sides_of.look(session.hosts[name], mine, network_id)

    def look_under(name: str) -> Side:
        peers = [sides[other].vtep for other in hosts if other != name]
        return sides_of.look_under(session.hosts[name], sides[name], peers)

    sides = each(hosts, look, cancel=session.cancel).all()
    sides = each(hosts, look_under, cancel=session.cancel).all()
    first, second = (
        End(its, found, sides[its.host]) for its in ends if (found := its.endpoint(network_id)) is not None
    )
    return first, second


def _send_both(
    session: Session, pair: tuple[End, End], watched: tuple[capture.Place, ...]
) -> tuple[Capture | None, Echo, Echo]:
    """Echoes there and back. Those on the way there are watched at the given places."""
    first, second = pair
    token = secrets.token_hex(8)
    if not watched:
        ways = {True: (first, second), False: (second, first)}
        sent = each(ways, lambda there: _send(session, *ways[there], token), cancel=session.cancel).all()
        return None, sent[True], sent[False]
    answers: list[Echo] = []
    seen = capture.watch(
        session.hosts,
        watched,
        lambda: answers.append(_send(session, first, second, token)),
        token=token,
        port=first.side.port,
        clock=session.clock,
        cancel=session.cancel,
    )
    return seen, answers[0], _send(session, second, first, secrets.token_hex(8))


def _send(session: Session, source: End, target: End, token: str) -> Echo:
    size = size_of(source)
    query = echo.ask(source.container.sandbox, target.endpoint.address, size=size, token=token)
    (result,) = session.hosts[source.side.host].ask(query)
    return echo.parse(result, size=size, token=token)


def _count(session: Session) -> str:
    count = len(session.fleet.hosts)
    return f"{count} host{'s' * (count > 1)}"
