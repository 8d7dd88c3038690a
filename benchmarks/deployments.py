"""A clean deployment, the same again, the proof and the gossip, by each tool on hosts of its own.

The tools take turns in one run, each time on hosts that were just booted, so that whatever else this
machine does weighs on all alike. Times are those of the whole process: it starts, connects, deploys, proves,
and ends.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from overweave.errors import OverweaveError
from overweave.model import Fleet

from . import bed, gossip, process
from .tools import OVERWEAVE, ROOT, SCRIPT, Command, deploy, fab

DEPLOY, AGAIN, PROOF, GOSSIP, MEMORY = "deploy", "again", "proof", "gossip", "memory"
UNITS = {DEPLOY: "s", AGAIN: "s", PROOF: "s", GOSSIP: "s", MEMORY: "MB"}
TITLES = {
    DEPLOY: "clean deployment",
    AGAIN: "again, nothing to do",
    PROOF: "proof of all pairs",
    GOSSIP: "reading all gossip",
    MEMORY: "memory of the tool",
}


class Failed(Exception):
    """A tool ended red."""


@dataclass
class Series:
    """``figures`` has the values of all runs by tool and figure, ``failed`` how many ended red, by tool."""

    hosts: int
    figures: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)

    def add(self, tool: str, found: Mapping[str, float]) -> None:
        for name, value in found.items():
            self.figures.setdefault((tool, name), []).append(value)

    def median(self, tool: str, name: str) -> float | None:
        values = self.figures.get((tool, name))
        return median(values) if values else None

    def as_data(self) -> dict[str, object]:
        return {
            "hosts": self.hosts,
            "failed": self.failed,
            "figures": [
                {"tool": tool, "what": name, "unit": UNITS[name], "median": median(values), "runs": values}
                for (tool, name), values in self.figures.items()
            ],
        }


def measure(
    hosts: int,
    *,
    runs: int,
    tools: Sequence[str],
    subnet: str,
    anchors: bool,
    tell: Callable[[str], None],
) -> Series:
    """All figures of ``runs`` rounds. What fails is told with its words, and counted."""
    series = Series(hosts)
    for run in range(1, runs + 1):
        for tool in tools:
            found: dict[str, float] = {}
            try:
                with bed.hosts(hosts, subnet) as (fleet, file):
                    for name, value in _of_one(tool, fleet, file, anchors=anchors):
                        found[name] = value
            except (Failed, OverweaveError) as e:
                series.failed[tool] = series.failed.get(tool, 0) + 1
                print(f"{tool} failed: {e}", file=sys.stderr)
            series.add(tool, found)
            told = ", ".join(f"{name} {value:.2f} {UNITS[name]}" for name, value in found.items())
            tell(f"{hosts} hosts, run {run}: {tool:9} {told}")
    return series


def _of_one(tool: str, fleet: Fleet, file: Path, *, anchors: bool) -> Iterator[tuple[str, float]]:
    """Figures of one tool, one after the other, so that those before a failure are kept."""
    first = deploy(tool, fleet, file, anchors=anchors)
    done = _run(first)
    yield DEPLOY, done.seconds
    if tool == OVERWEAVE:
        yield MEMORY, done.megabytes
    if tool == SCRIPT:
        return
    yield AGAIN, _run(first).seconds
    if tool == OVERWEAVE:
        proof = file.with_name("proof.json")
        _run(fab("validate-overlay", file, "--json", str(proof)))
        yield PROOF, float(json.loads(proof.read_text())["seconds"])
        yield GOSSIP, gossip.read(fleet)


def _run(command: Command) -> process.Ended:
    done = process.run(command.words, cwd=str(ROOT), env=command.env)
    if done.status:
        raise Failed(f"exit code {done.status}:\n{last_words(done)}")
    return done


def last_words(done: process.Ended, most: int = 60) -> str:
    """The end of what a tool said, which may be a page for each host."""
    lines = (done.out + done.err).splitlines()[-most:]
    return "\n".join(line[:1000] for line in lines)


def table(series: Series, tools: Sequence[str]) -> list[str]:
    """Lines with the medians side by side."""
    lines = [f"{f'{series.hosts} hosts, medians':<24}" + "".join(f"{tool:>12}" for tool in tools)]
    for name, title in TITLES.items():
        values = [series.median(tool, name) for tool in tools]
        if any(value is not None for value in values):
            cells = "".join(f"{'-' if v is None else f'{v:.2f} {UNITS[name]}':>12}" for v in values)
            lines.append(f"  {title:<22}{cells}")
    return lines


def ratio(series: Series, other: str, name: str) -> float | None:
    """Overweave's median in units of another tool's."""
    ours, its = series.median(OVERWEAVE, name), series.median(other, name)
    return ours / its if ours is not None and its else None
