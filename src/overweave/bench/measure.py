"""Make a benchmark: programs on all hosts, in their own network and in the overlay, measure pair by pair."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from overweave.errors import Refused
from overweave.facts.remote_program import Program
from overweave.fleet import Cancel, each
from overweave.ports import Clock, Progress, Reader

from .answers import LIMIT, ROLE, Answers, Ticks
from .ends import End
from .figures import (
    DATAGRAMS,
    MANY,
    MEASURES,
    ONE,
    OVERLAY,
    PLANES,
    REQUESTS,
    UNDERLAY,
    Benchmark,
    Busy,
    Flow,
    Measured,
    Plane,
    Trips,
    trips,
)
from .limits import limits
from .schedule import Pair, cut, rounds

ROUNDS = 5
"""Of a benchmark that is not to measure all pairs: the whole of a fleet of six."""
READY_SECONDS = 6.0
LATE = 10.0
"""Seconds behind the end of a measurement until its programs are given up."""
SHORT = 3.0
Agent = Program[Answers]


@dataclass(frozen=True)
class Wanted:
    """``seconds`` of each measurement; ``port`` of the underlay, 0 for any free one of each host."""

    seconds: float = 1.0
    streams: int = 4
    port: int = 0
    all_pairs: bool = False


class _NoFigure(Exception):
    """Why there is none."""


def measure(
    readers: Mapping[str, Reader],
    ends: Mapping[str, End],
    network: str,
    wanted: Wanted,
    *,
    clock: Clock,
    cancel: Cancel,
    progress: Progress,
) -> Benchmark:
    """Measure pairs of ``ends``, in the order of `schedule.rounds`. What can't be measured is a value.

    Raises `Refused` where ``wanted.port`` is taken.
    """
    started = clock.monotonic()
    every = rounds(tuple(ends))
    kept, left_out = cut(every, len(every) if wanted.all_pairs else ROUNDS)
    bench = _Bench(readers, ends, wanted, len(kept), clock, cancel)
    measured: list[Measured] = []
    try:
        progress("", f"starting programs that measure, on {len(ends)} hosts and in {network}")
        bench.start()
        for number, pairs in enumerate(kept, 1):
            told = ", ".join(" -> ".join(pair) for pair in pairs[:3]) + (", …" if len(pairs) > 3 else "")
            seconds = len(MEASURES) * len(PLANES) * wanted.seconds
            progress("", f"round {number} of {len(kept)}, about {seconds:.0f} s: {told}")
            measured += each(pairs, bench.pair, cancel=cancel).all().values()
    finally:
        bench.close()
    devices = {name: end.device for name, end in ends.items()}
    return Benchmark(
        network=network,
        hosts=tuple(ends),
        pairs=tuple(measured),
        devices=devices,
        seconds=wanted.seconds,
        streams=wanted.streams,
        left_out=tuple(left_out),
        took=clock.monotonic() - started,
        limits=limits(measured, devices),
    )


class _Bench:
    def __init__(
        self,
        readers: Mapping[str, Reader],
        ends: Mapping[str, End],
        wanted: Wanted,
        count: int,
        clock: Clock,
        cancel: Cancel,
    ) -> None:
        self._readers, self._ends, self._wanted = readers, ends, wanted
        self._clock, self._cancel = clock, cancel
        self._token = secrets.token_hex(8)
        self._numbers = itertools.count(1)
        self._agents: dict[tuple[str, str], Agent] = {}
        # The program ends by itself then, whatever becomes of the operator's machine and of the connection.
        self._life = int(count * len(MEASURES) * len(PLANES) * (wanted.seconds + LATE) + 60)

    def start(self) -> None:
        each(self._ends, self._start, cancel=self._cancel).all()

    def _start(self, name: str) -> None:
        end = self._ends[name]
        for plane, address, port in ((UNDERLAY, end.outer, self._wanted.port), (OVERLAY, end.inner, 0)):
            agent = Agent(
                self._readers[name],
                "bench-agent.pl",
                (ROLE, self._token, address, str(port), str(self._life)),
                Answers(self._token),
                limit=LIMIT,
                namespace=f"/proc/{end.pid}/ns/net" if plane == OVERLAY else "",
            )
            self._agents[plane, name] = agent
            agent.listen(
                lambda said: bool(said.port or said.missing or 0 in said.failed),
                READY_SECONDS,
                self._clock,
                self._cancel,
            )
            if plane == UNDERLAY and port and (errno := agent.report.failed.get(0)):
                raise Refused(
                    f"port {port} can't be had for the measurement ({errno})",
                    host=name,
                    hint="name another with --port, or none: then any free one is taken",
                )

    def close(self) -> None:
        for agent in self._agents.values():
            agent.close()

    def pair(self, pair: Pair) -> Measured:
        source, target = pair
        planes = {plane: Plane({}, {}, {}) for plane in PLANES}
        for name, plane in itertools.product(MEASURES, PLANES):
            its = planes[plane]
            flows, round_trips, missing = dict(its.flows), dict(its.trips), dict(its.missing)
            try:
                for host in pair:
                    self._check(self._agents[plane, host], host)
                # A port that lets nothing through would be waited for again.
                if ONE in missing and name in (MANY, REQUESTS):
                    raise _NoFigure(missing[ONE])
                if name in (ONE, MANY):
                    flows[name] = self._flow(
                        plane, source, target, self._wanted.streams if name == MANY else 1
                    )
                else:
                    round_trips[name] = self._trips(plane, name, source, target)
            except _NoFigure as e:
                missing[name] = str(e)
            planes[plane] = Plane(flows, round_trips, missing)
        return Measured(source, target, planes)

    def _flow(self, plane: str, source: str, target: str, streams: int) -> Flow:
        before = {name: self._ticks(plane, name) for name in (source, target)}
        number = self._order(plane, "stream", source, target, streams)
        receiver = self._agents[plane, target]
        came = receiver.listen(
            lambda said: len(said.took.get(number, ())) >= streams, SHORT, self._clock, self._cancel
        )
        if not came:
            raise _NoFigure(f"{target} does not tell what came")
        after = {name: self._ticks(plane, name) for name in (source, target)}
        took = receiver.report.took[number].values()
        bits = sum(8e6 * size / micros for size, micros in took if micros)
        if not bits:
            raise _NoFigure("a connection opens and no data comes: packets of full size may get lost (MTU)")
        busy = {name: share for name in before if (share := busy_between(before[name], after[name]))}
        return Flow(bits, busy)

    def _trips(self, plane: str, what: str, source: str, target: str) -> Trips:
        number = self._order(plane, what, source, target)
        said = self._agents[plane, source].report
        if said.coarse:
            raise _NoFigure(f"the clock of {source} is too coarse")
        lost, micros = said.rates.get(number, (0, 0))
        try:
            return trips(said.trips.get(number, {}), lost=lost, seconds=micros / 1e6)
        except ValueError as e:
            raise _NoFigure(f"{source} tells of {e}") from e

    def _order(self, plane: str, what: str, source: str, target: str, *more: int) -> int:
        """Have ``source`` send to ``target``, and wait for the end of it."""
        number, sender = next(self._numbers), self._agents[plane, source]
        end, port = self._ends[target], self._agents[plane, target].report.port
        address = end.inner if plane == OVERLAY else end.outer
        words = (what, number, address, port, *more, f"{self._wanted.seconds:g}")
        sender.tell([" ".join(map(str, words))])
        ended = sender.listen(
            lambda said: number in said.done, self._wanted.seconds + LATE, self._clock, self._cancel
        )
        protocol = "UDP" if what == DATAGRAMS else "TCP"
        if errno := sender.report.failed.get(number):
            raise _NoFigure(f"{protocol} port {port} of {target} ({address}): {errno}")
        if not ended:
            raise _NoFigure(f"{source} does not end it")
        return number

    def _check(self, agent: Agent, name: str) -> None:
        if agent.report.missing:
            raise _NoFigure(f"there is no {agent.report.missing} on {name}")
        if agent.ended or not agent.report.port:
            raise _NoFigure(f"the program on {name} ended early")

    def _ticks(self, plane: str, name: str) -> Ticks:
        number, agent = next(self._numbers), self._agents[plane, name]
        agent.tell([f"cpu {number}"])
        agent.listen(lambda said: number in said.cpu, SHORT, self._clock, self._cancel)
        return agent.report.cpu.get(number, ())


def busy_between(before: Ticks, after: Ticks) -> Busy | None:
    """None where no time has passed, or where the host has not told."""
    shares = [
        min(1.0, max(0.0, (busy - busy_then) / (up - up_then)))
        for (busy_then, up_then), (busy, up) in zip(before, after, strict=False)
        if up > up_then
    ]
    return Busy(shares[0], max(shares[1:]), len(shares) - 1) if len(shares) > 1 else None
