"""Checks between containers, made by a program of ours in the network namespace of each.

Nothing of the container's image is used, and nothing is started in it: one process a host speaks to all its
peers at once, which is what makes 600 pairs a matter of seconds.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from overweave.errors import OverweaveError
from overweave.facts.remote_program import Program
from overweave.fleet import Cancel, each
from overweave.ports import Clock, Reader

from .agent_report import BYE, HEAVY, LIGHT, LIMIT, READY, ROLE, AgentReport
from .matrix import Verdict

PAYLOAD = 1 << 20
"""Bytes that each TCP check carries."""
AT_ONCE = 3
"""Streams that a host sends at one time: more of them lose packets to each other."""
READY_SECONDS, LIGHT_SECONDS, HEAVY_SECONDS, BYE_SECONDS = 15.0, 10.0, 90.0, 5.0
"""What the stages may take: light and heavy checks the patience beyond that."""
AGENT_CHECKS = ("dns", "icmp", "udp", "connect", "tcp", "mtu")


@dataclass(frozen=True)
class Stand:
    """A running container that a proof stands in: its name in DNS, its address on the network, the process
    on its host whose network namespace is the container's, and its MAC there, "" if that is not known."""

    host: str
    name: str
    address: str
    pid: int
    mac: str = ""


@dataclass(frozen=True)
class Answers:
    """``lost`` are hosts that could not take part, and why; ``no_perl`` those without Perl; ``reached`` the
    names of what answered a host and must not have."""

    verdicts: Mapping[tuple[str, str], dict[str, Verdict]]
    lost: Mapping[str, str] = field(default_factory=dict)
    no_perl: frozenset[str] = frozenset()
    reached: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def ask(
    readers: Mapping[str, Reader],
    stands: Mapping[str, Stand],
    wanted: Mapping[tuple[str, str], tuple[str, ...]],
    *,
    mtu: int,
    patience: float,
    avoid: Mapping[str, str],
    clock: Clock,
    cancel: Cancel,
) -> Answers:
    """Make the ``wanted`` checks of each directed pair. ``avoid``: addresses that must not answer, by name.

    ``mtu`` in bytes is the containers'; ``patience`` the seconds that a check waits. A host that can't take
    part, or can't be reached, is a value, not an error. Raises `Interrupted`.
    """
    token = secrets.token_hex(8)
    numbers = {name: number for number, name in enumerate(stands)}
    targets = list(avoid)
    reports = {name: AgentReport(token) for name in stands}
    programs: dict[str, Program[AgentReport]] = {}
    lost: dict[str, str] = {}

    def stage(what: str, seconds: float, first: Callable[[str], None]) -> None:
        def work(name: str) -> None:
            first(name)
            report = reports[name]
            programs[name].listen(
                lambda its: what in its.said or bool(its.failed) or its.no_perl, seconds, clock, cancel
            )
            if what not in report.said:
                raise OverweaveError(_silence(report, ended=programs[name].ended))

        outcome = each([name for name in stands if name not in lost], work, cancel=cancel)
        lost.update({name: e.message for name, e in outcome.errors.items()})

    def start(name: str) -> None:
        its = stands[name]
        words = (
            *(ROLE, token, str(numbers[name]), its.address, str(mtu), str(PAYLOAD), f"{patience:g}"),
            *(str(lifetime(patience)), str(AT_ONCE)),
        )
        programs[name] = Program(
            readers[name],
            "proof-agent.pl",
            words,
            reports[name],
            limit=LIMIT,
            namespace=f"/proc/{its.pid}/ns/net",
        )

    def introduce(there: Iterable[str]) -> None:
        names = list(there)
        for name in names:
            peers = [
                f"peer {numbers[other]} {stands[other].address} {stands[other].name} "
                f"{reports[other].ports[0]} {reports[other].ports[1]} {' '.join(checks)}"
                for other in names
                if (checks := wanted.get((name, other), ()))
            ]
            others = [f"avoid {number} {avoid[target]}" for number, target in enumerate(targets)]
            programs[name].tell([*peers, *others])

    try:
        stage(READY, READY_SECONDS, start)
        there = [name for name in stands if name not in lost]
        introduce(there)
        for phase, end, seconds in (("light", LIGHT, LIGHT_SECONDS), ("heavy", HEAVY, HEAVY_SECONDS)):
            if phase == "heavy" and not any("tcp" in checks for checks in wanted.values()):
                continue
            for name in there:
                programs[name].tell([phase])
            stage(end, seconds + patience, lambda name: None)
        # Not before everybody is done: till then each one answers the others.
        stage(BYE, BYE_SECONDS, lambda name: programs[name].tell(["end"]))
    finally:
        for program in programs.values():
            program.close()
    return Answers(
        {pair: _verdicts(pair, checks, stands, numbers, reports, mtu) for pair, checks in wanted.items()},
        lost,
        frozenset(name for name, report in reports.items() if report.no_perl),
        {
            name: tuple(targets[number] for number in sorted(report.reached) if number < len(targets))
            for name, report in reports.items()
        },
    )


def lifetime(patience: float) -> int:
    """Seconds after which a program ends by itself, whatever becomes of the operator's machine: more than all
    stages take."""
    return math.ceil(READY_SECONDS + LIGHT_SECONDS + HEAVY_SECONDS + BYE_SECONDS + 2 * patience) + 30


def _verdicts(
    pair: tuple[str, str],
    checks: tuple[str, ...],
    stands: Mapping[str, Stand],
    numbers: Mapping[str, int],
    reports: Mapping[str, AgentReport],
    mtu: int,
) -> dict[str, Verdict]:
    source, target = pair
    found = {}
    for check in checks:
        if check == "udp":
            verdict = _datagrams(reports[source], reports[target], numbers[source])
        else:
            verdict = reports[source].verdict(
                check, numbers[target], address=stands[target].address, mtu=mtu, payload=PAYLOAD
            )
        if verdict is not None:
            found[check] = verdict
    return found


def _datagrams(sender: AgentReport, receiver: AgentReport, number: int) -> Verdict | None:
    if LIGHT not in sender.said or BYE not in receiver.said:
        return None
    count = receiver.came.get(number, 0)
    return Verdict(count > 0, f"{count} of 3 datagrams arrived" if count else "none of 3 datagrams arrived")


def _silence(report: AgentReport, *, ended: bool) -> str:
    if report.no_perl:
        return "there is no perl"
    if report.failed:
        return f"the checks can't be made there: {report.failed}"
    return "the checks on it ended early" if ended else "the checks on it did not end in time"
