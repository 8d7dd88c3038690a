"""What people read on a terminal, at 80 columns and without colour."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from overweave import audit as audit_lines
from overweave.backend import Abilities
from overweave.doctor.fault import Checkup
from overweave.facts.audit_log import AuditLog, Entry
from overweave.model import CONSUL, ETCD, SWARM
from overweave.preflight.finding import Finding, Preflight, Severity
from overweave.printable import lines, one_line
from overweave.state import State
from overweave.steps import Plan, Step, WriteFile

from .hanging import Hanging, hung
from .nodeset import nodeset

ADDRESS = re.compile(r"\d+(\.\d+){3}")


def plan(result: Plan, order: Sequence[str]) -> RenderableType:
    """Per host what would change, then the order it would be done in. Hosts that differ by nothing but
    names and addresses are told once: nobody reads the same page 25 times."""
    if not result:
        return Text("nothing to do")
    parts: list[RenderableType] = []
    alike: dict[str, list[str]] = {}
    for host in order:
        if section := "\n".join(
            f"{step}{step.why}{_diff(step)}" for step in result.steps if step.host == host
        ):
            alike.setdefault(ADDRESS.sub("", section.replace(host, "")), []).append(host)

    def tell(host: str) -> None:
        for step in result.steps:
            if step.host == host:
                parts.append(Text(f"  {step}", style="yellow" if step.restarts or step.destructive else ""))
                parts.append(Text(f"      because {step.why}", style="dim"))
                if diff := _diff(step):
                    parts.append(Text(diff, style="dim"))

    for host, *others in alike.values():
        parts.append(Text(host, style="bold"))
        tell(host)
        if others:
            same = "\n  the same, with their own names and addresses"
            parts.append(Text.assemble((", ".join(others), "bold"), same))
    if any(not step.host for step in result.steps):
        parts.append(Text("all hosts", style="bold"))
        tell("")
    engines = [step.host for step in result.steps if "engine" in step.restarts]
    stopped = [
        f"{name} on {step.host}" for step in result.steps for name in step.restarts if name != "engine"
    ]
    parts.append(Text())
    parts.append(Text(f"engines that restart: {', '.join(engines) or 'none'}"))
    parts.append(Text(f"running containers that restart or stop: {', '.join(stopped) or 'none'}"))
    parts.append(Text("in this order: " + ", ".join(stage.title for stage in result.stages)))
    return hung(parts)


def _diff(step: Step) -> str:
    if not isinstance(step, WriteFile):
        return ""
    lines = difflib.unified_diff(
        step.previous.splitlines(), step.content.splitlines(), "as it is", "as it will be", lineterm="", n=1
    )
    return "\n".join(f"      {line}" for line in lines)


MOST_FINDINGS = 30
"""That are shown; two islands of a large fleet lack hundreds of rows."""
STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.NOTE: "dim"}


def preflight(result: Preflight) -> RenderableType:
    """How many findings of each kind, and then each with its reason and its remedy."""
    parts: list[RenderableType] = [
        Text.assemble(
            (
                f"preflight {'passed' if result.passed else 'FAILED'}",
                "bold green" if result.passed else "bold red",
            ),
            f" on {_counted(result.hosts, result.findings, result.seconds)}",
        )
    ]
    return Group(*parts, *findings(result.findings))


def findings(found: Iterable[Finding]) -> list[RenderableType]:
    """Each with its reason and its remedy, and one of several hosts once."""
    return _told(_alike(found))


def _told(groups: Iterable[Sequence[Finding]]) -> list[RenderableType]:
    parts: list[RenderableType] = []
    for its, *others in groups:
        style = STYLES[its.severity]
        names = nodeset(one.host for one in (its, *others)) if others else its.where or "all hosts"
        where = f"{names}: "
        told = Text.assemble((f"{its.severity.upper():<8}", style), (where, "bold"), its.seen)
        parts.append(Hanging(told, 12))
        parts += [
            Hanging(Text(f"        {label} {line}", style="dim"), 13)
            for label, line in (("why:", its.matters), ("fix:", its.fix))
            if line
        ]
    return parts


def _alike(found: Iterable[Finding]) -> list[list[Finding]]:
    """Those of which nothing but the host differs, together where the first of them stands."""
    groups: dict[Finding, list[Finding]] = {}
    for its in found:
        groups.setdefault(its if its.peer else replace(its, host=""), []).append(its)
    return list(groups.values())


def checkup(result: Checkup) -> RenderableType:
    """Whether something is wrong, and then each finding with its reason and its remedy."""
    seen = [fault.finding for fault in result.faults]
    word, style = ("healthy", "bold green") if result.healthy else ("NOT healthy", "bold red")
    headline = Text.assemble((word, style), f": {_counted(result.hosts, seen, result.seconds)}")
    groups = _alike(seen)
    left = sum(len(group) for group in groups[MOST_FINDINGS:])
    more = [Text(f"… and {left} more; all are in --json")] if left else []
    if result.healthy:
        unproven = Text("no packet was sent: that they arrive, `fab validate-overlay` proves", style="dim")
        more.insert(0, unproven)
    return Group(headline, *_told(groups[:MOST_FINDINGS]), *more)


def _counted(hosts: Sequence[str], found: Sequence[Finding], seconds: float) -> str:
    counts = [
        f"{count} {severity}{'s' * (count > 1)}"
        for severity in Severity
        if (count := sum(its.severity is severity for its in found))
    ]
    on = f"{len(hosts)} host{'s' * (len(hosts) > 1)}"
    return f"{on} in {seconds:.1f} s: {', '.join(counts) or 'nothing found'}"


def backends(result: Abilities) -> RenderableType:
    """One row a host, a column a backend, and what a deployment would take."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("host", "engine", CONSUL, ETCD, SWARM, "uses"):
        table.add_column(column)
    for host in result.hosts:
        can = [
            Text(f"no: {one_line(host.cannot[name], 80)}", style="red")
            if name in host.cannot
            else Text("yes", style="green")
            for name in (CONSUL, ETCD, SWARM)
        ]
        table.add_row(Text(host.host, style="bold"), one_line(host.engine, 40), *can, host.uses or "-")
    return Group(table, Text(f"auto: {result.chosen}, for {result.why}"))


def state(result: State) -> RenderableType:
    """One row a host, then the store, the gossip and the networks."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in (
        "host",
        "engine",
        "advertises",
        "registered",
        "sees",
        "swarm" if result.in_swarm else "store",
    ):
        table.add_column(column)
    for host in result.hosts:
        table.add_row(
            Text(host.name, style="bold"),
            host.engine,
            host.advertise or "-",
            _yes(host.registered),
            f"{host.sees} of {len(result.hosts) - 1}",
            host.store,
        )
    parts: list[RenderableType] = [table]
    parts.append(Text(result.store if result.in_swarm else f"store: {result.store}"))
    whole = len(result.islands) == 1 and all(h.sees == len(result.hosts) - 1 for h in result.hosts)
    if whole:
        parts.append(Text("gossip: whole"))
    elif not result.in_swarm:
        parts.append(
            Text("gossip: " + (" | ".join(", ".join(i) for i in result.islands) or "none"), style="red")
        )
    parts += [Text(f"network: {line}") for line in result.networks] or [Text("network: no overlay network")]
    return hung(parts)


def _yes(value: bool) -> Text:
    return Text("yes", style="green") if value else Text("NO", style="bold red")


def audit(entries: Sequence[Entry], logs: Mapping[str, AuditLog]) -> RenderableType:
    """One line for each entry, oldest first; then what of the logs is not shown."""
    parts: list[RenderableType] = [_audit_line(entry) for entry in entries]
    if not entries:
        parts.append(Text("nothing is noted on these hosts"))
    for host, log in logs.items():
        if log.broken:
            count = len(log.broken)
            shown = ", ".join(log.broken[:3]) + (", …" if count > 3 else "")
            parts.append(
                Text(f"{host}: {count} line{'s' * (count > 1)} can't be read: {shown}", style="yellow")
            )
        if log.cut:
            parts.append(Text(f"{host}: there are older lines on the host", style="dim"))
    return Group(*parts)


def _audit_line(entry: Entry) -> Text:
    match entry.kind:
        case audit_lines.BEGIN:
            who = f"{entry.who} (sudo of {entry.sudo_user})" if entry.sudo_user else entry.who
            count = len(entry.steps)
            what = (
                f"{entry.task} begins, by {who} from {entry.came_from or 'an unknown address'}, "
                f"overweave {entry.version}, plan {entry.plan or '-'}: {count} step{'s' * (count != 1)}"
            )
        case audit_lines.STEP:
            seconds = "" if entry.seconds is None else f" in {entry.seconds:.1f} s"
            what = f"{entry.about}: {entry.outcome}{seconds}" + (f": {entry.error}" if entry.error else "")
        case _ if entry.outcome == audit_lines.BROKEN_OFF:
            what = f"{entry.task}: {audit_lines.BROKEN_OFF}: it has no end, unless it is still under way"
        case _:
            what = f"{entry.task} ends: {entry.outcome}"
    style = "" if entry.kind == audit_lines.BEGIN or entry.outcome == audit_lines.OK else "red"
    return Text.assemble(
        (f"{audit_lines.stamp(entry.time, ' ')}  {entry.run}  ", "dim"),
        (f"{entry.host:<10} ", "bold"),
        (what, style),
    )


class SafeConsole(Console):
    """Prints text as it is: no markup, no emoji codes, and no control characters but Rich's own; a character
    that the terminal does not have as ``?``.

    Whatever is printed may hold words of hosts, however it came into a table or a line.
    """

    def __init__(self, **more: Any) -> None:
        super().__init__(highlight=False, markup=False, emoji=False, **more)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(self._known(lines(segment.text)), segment.style)

    def _known(self, words: str) -> str:
        if words.isascii() or self.encoding.startswith("utf"):
            return words
        return words.replace("…", "...").encode(self.encoding, "replace").decode(self.encoding)


def console(*, stderr: bool = False) -> Console:
    """Where text goes. In a pipe there is no colour, and lines are as long as they are."""
    made = SafeConsole(stderr=stderr)
    return made if made.is_terminal else SafeConsole(stderr=stderr, width=10_000)


def width() -> int:
    """Columns that a table may take: those of the terminal, and in a pipe those of an old one."""
    made = SafeConsole()
    return made.width if made.is_terminal else 80
