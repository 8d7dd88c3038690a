"""What machines read: plain dictionaries with a version, for ``--json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from overweave.apply.world import Done
from overweave.audit import stamp
from overweave.backend import Abilities
from overweave.doctor.fault import Checkup
from overweave.facts.audit_log import AuditLog, Entry
from overweave.preflight.finding import Finding, Preflight
from overweave.prove.matrix import Matrix, Verdict
from overweave.state import State
from overweave.steps import Plan, PutKeys, WriteFile

from .measured import finite

VERSION = 1
"""Rises when a key changes its meaning or goes; new keys don't raise it."""


def matrix(result: Matrix) -> dict[str, Any]:
    """A proof; docs/reference/proof.schema.json says what the keys mean."""
    return {
        "version": VERSION,
        "kind": "proof",
        "network": result.network,
        "green": result.green,
        "seconds": round(result.seconds, 3),
        "hosts": list(result.hosts),
        "checks": list(result.checks),
        "between": result.between,
        "median": finite(result.median),
        "pairs": [
            {
                "from": pair.source,
                "to": pair.target,
                "green": pair.green,
                "cell": result.cell(pair.source, pair.target).value,
                "failed": list(pair.failed),
                "checks": _verdicts(pair.checks),
                "underlay": _verdicts(pair.underlay),
            }
            for pair in result.pairs
        ],
        "evidence": {host: asdict(evidence) for host, evidence in result.evidence.items()},
        "causes": [cause.told for cause in result.causes],
        "diagnosis": [
            {
                "rule": cause.rule,
                "where": cause.where,
                "seen": cause.seen,
                "fix": cause.fix,
                "issues": list(cause.issues),
                "pairs": [list(pair) for pair in cause.pairs],
            }
            for cause in result.causes
        ],
        "left_out": dict(result.left_out),
        "without_perl": list(result.without_perl),
        "isolation": [
            {"from": tried.source, "to": tried.target, "reached": tried.reached} for tried in result.isolation
        ],
        "outside": [
            {"from": tried.source, "to": tried.target, "reached": tried.reached, "wanted": tried.wanted}
            for tried in result.outside
        ],
    }


def _verdicts(verdicts: Mapping[str, Verdict]) -> dict[str, Any]:
    return {
        check: {
            "ok": verdict.ok,
            "detail": verdict.detail,
            "milliseconds": finite(verdict.milliseconds),
            "loss": finite(verdict.loss),
        }
        for check, verdict in verdicts.items()
    }


def plan(result: Plan) -> dict[str, Any]:
    return {
        "version": VERSION,
        "kind": "plan",
        "empty": not result,
        "stages": [
            {
                "title": stage.title,
                "steps": [
                    {
                        "host": step.host,
                        "step": type(step).__name__,
                        "does": str(step),
                        "why": step.why,
                        "restarts": list(step.restarts),
                        "destructive": step.destructive,
                        **(
                            {"path": step.path, "content": step.content, "previous": step.previous}
                            if isinstance(step, WriteFile)
                            else {}
                        ),
                        **({"keys": _keys(step)} if isinstance(step, PutKeys) else {}),
                    }
                    for step in stage.steps
                ],
            }
            for stage in result.stages
        ],
    }


def _keys(step: PutKeys) -> list[dict[str, str | None]]:
    """``old`` and ``new`` are null where there is no such key."""

    def told(value: bytes | None) -> str | None:
        return None if value is None else value.decode(errors="replace")

    return [{"key": write.key, "old": told(write.old), "new": told(write.new)} for write in step.writes]


def rebuilt(written: Plan, seconds: float, proof: Matrix | None = None) -> dict[str, Any]:
    """``seconds`` are those of the whole run; ``proof`` is null where nothing was written, and where the
    inventory's network is not there."""
    return {
        "version": VERSION,
        "kind": "store-rebuild",
        "changed": bool(written),
        "seconds": round(seconds, 3),
        "stages": plan(written)["stages"],
        "proof": None if proof is None else matrix(proof),
    }


def preflight(result: Preflight) -> dict[str, Any]:
    return {
        "version": VERSION,
        "kind": "preflight",
        "passed": result.passed,
        "seconds": round(result.seconds, 3),
        "hosts": list(result.hosts),
        "findings": [finding(its) for its in result.findings],
    }


def finding(found: Finding) -> dict[str, Any]:
    """``peer`` is "" where it is about no direction."""
    return {
        "check": found.check,
        "severity": found.severity.value,
        "host": found.host,
        "peer": found.peer,
        "seen": found.seen,
        "matters": found.matters,
        "fix": found.fix,
    }


def checkup(result: Checkup) -> dict[str, Any]:
    """``repair`` of a finding has the steps of `fab repair`, none where it can do nothing."""
    return {
        "version": VERSION,
        "kind": "doctor",
        "healthy": result.healthy,
        "seconds": round(result.seconds, 3),
        "hosts": list(result.hosts),
        "findings": [
            finding(fault.finding) | {"repair": [str(step) for step in fault.remedies]}
            for fault in result.faults
        ],
    }


def repair(
    before: Checkup, planned: Plan, done: Done, after: Checkup, seconds: float, error: object = None
) -> dict[str, Any]:
    """``seconds`` are those of the whole run; ``islands`` are those that the gossip had; ``error`` is what it
    ended with, if it did."""
    return {
        "version": VERSION,
        "kind": "repair",
        "healthy": after.healthy,
        "changed": bool(done.steps),
        "seconds": round(seconds, 3),
        "islands": [list(island) for island in done.islands],
        "before": checkup(before)["findings"],
        "stages": plan(planned)["stages"],
        "after": checkup(after)["findings"],
        "error": None if error is None else str(error),
    }


def audit(entries: Sequence[Entry], logs: Mapping[str, AuditLog]) -> dict[str, Any]:
    return {
        "version": VERSION,
        "kind": "audit",
        "entries": [
            {
                "time": stamp(entry.time),
                "host": entry.host,
                "run": entry.run,
                "kind": entry.kind,
                "task": entry.task,
                "who": entry.who,
                "sudo_user": entry.sudo_user,
                "from": entry.came_from,
                "overweave": entry.version,
                "plan": entry.plan,
                "steps": list(entry.steps),
                "step": entry.about,
                "outcome": entry.outcome,
                "seconds": entry.seconds,
                "error": entry.error,
            }
            for entry in entries
        ],
        "unreadable": {host: list(log.broken) for host, log in logs.items() if log.broken},
        "older_left_out": [host for host, log in logs.items() if log.cut],
    }


def backends(result: Abilities) -> dict[str, Any]:
    return {"version": VERSION, "kind": "backends", "fits": result.fits, **asdict(result)}


def state(result: State) -> dict[str, Any]:
    return {"version": VERSION, "kind": "status", "healthy": result.healthy, **asdict(result)}
