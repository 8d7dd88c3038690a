"""A proof as metrics, in the text format that node_exporter's textfile collector reads. Pure.

The collector refuses a whole file for one line that it can't read, one series that is there twice, or a time
stamp at a sample: https://github.com/prometheus/node_exporter#textfile-collector
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from overweave.printable import one_line
from overweave.prove.matrix import Matrix, Verdict

from .measured import finite

METRICS = {
    "overweave_check_ok": "Whether a check of a directed pair of hosts passed (1) or not (0).",
    "overweave_round_trip_seconds": "Round trip that a check measured.",
    "overweave_loss_ratio": "Share of packets that a check lost, from 0 to 1.",
    "overweave_pair_green": "Whether a directed pair passed all checks on the overlay that were asked for.",
    "overweave_proof_green": "Whether every directed pair was measured and is green.",
    "overweave_proof_seconds": "How long the proof took.",
    "overweave_proof_timestamp_seconds": "When the proof ended, since the epoch.",
}
"""All are gauges."""


def prometheus(result: Matrix, at: datetime) -> str:
    """The whole file. ``at`` is when the proof ended."""
    series: dict[str, dict[str, float]] = {name: {} for name in METRICS}
    for name, labels, value in _samples(result, at):
        # Of two series that would be one, the worse is told.
        key = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        known = series[name].setdefault(key, value)
        if name.endswith(("_ok", "_green")):
            series[name][key] = min(known, value)
    lines = []
    for name, told in METRICS.items():
        if series[name]:
            lines += [f"# HELP {name} {told}", f"# TYPE {name} gauge"]
            lines += [f"{name}{{{labels}}} {value:.12g}" for labels, value in series[name].items()]
    return "".join(f"{line}\n" for line in lines)


def _samples(result: Matrix, at: datetime) -> Iterator[tuple[str, Mapping[str, str], float]]:
    network = {"network": result.network}
    for pair in result.pairs:
        ends = network | {"source": pair.source, "target": pair.target}
        yield "overweave_pair_green", ends, pair.green
        missing = {check: Verdict(False, "") for check in pair.failed}
        for plane, verdicts in (("overlay", missing | dict(pair.checks)), ("underlay", dict(pair.underlay))):
            for check, verdict in verdicts.items():
                labels = ends | {"plane": plane, "check": check}
                yield "overweave_check_ok", labels, verdict.ok
                if (trip := finite(verdict.milliseconds)) is not None:
                    yield "overweave_round_trip_seconds", labels, trip / 1000
                if (loss := finite(verdict.loss)) is not None:
                    yield "overweave_loss_ratio", labels, loss
    yield "overweave_proof_green", network, result.green
    yield "overweave_proof_seconds", network, finite(result.seconds) or 0
    yield "overweave_proof_timestamp_seconds", network, at.timestamp()


def _escaped(text: str) -> str:
    return one_line(text).replace("\\", "\\\\").replace('"', '\\"')
