"""Several proofs of one network as one result: what failed once has failed. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from .matrix import Evidence, Isolation, Matrix, Outside, Verdict


def merged(matrices: Sequence[Matrix]) -> Matrix:
    """The matrix of all runs, which are of the same hosts and checks. Causes are left to be found anew."""
    first, *others = matrices
    if not others:
        return first
    pairs = []
    for pair in first.pairs:
        its = [found for m in matrices if (found := m.pair(pair.source, pair.target))]
        pairs.append(
            replace(
                pair,
                checks=_verdicts([p.checks for p in its], pair.wanted),
                underlay=_verdicts([p.underlay for p in its], tuple(pair.underlay)),
            )
        )
    return replace(
        first,
        pairs=tuple(pairs),
        seconds=sum(m.seconds for m in matrices),
        evidence={
            name: Evidence(
                e.vni,
                e.vtep,
                sum(m.evidence[name].sent for m in matrices),
                sum(m.evidence[name].received for m in matrices),
            )
            for name, e in first.evidence.items()
        },
        isolation=_isolation([tried for m in matrices for tried in m.isolation]),
        outside=_outside([tried for m in matrices for tried in m.outside]),
        causes=(),
    )


def _isolation(tried: Sequence[Isolation]) -> tuple[Isolation, ...]:
    """One try for each two ends: what was reached once is not isolated. A host may have missed a run."""
    found: dict[tuple[str, str], Isolation] = {}
    for one in tried:
        ends = (one.source, one.target)
        if one.reached or ends not in found:
            found[ends] = one
    return tuple(found.values())


def _verdicts(runs: Sequence[Mapping[str, Verdict]], checks: Sequence[str]) -> dict[str, Verdict]:
    return {
        check: _verdict([run.get(check) for run in runs]) for check in checks if any(check in r for r in runs)
    }


def _verdict(verdicts: Sequence[Verdict | None]) -> Verdict:
    there = [v for v in verdicts if v is not None]
    bad = [v for v in there if not v.ok]
    trips = sorted(v.milliseconds for v in there if v.milliseconds is not None)
    losses = [v.loss for v in there if v.loss is not None]
    detail = bad[0].detail if bad else there[-1].detail
    missing = len(verdicts) - len(there)
    if bad:
        detail = f"failed in {missing + len(bad)} of {len(verdicts)} runs: {detail}"
    elif missing:
        detail = f"not measured in {missing} of {len(verdicts)} runs"
    return Verdict(
        not bad and not missing,
        detail,
        trips[len(trips) // 2] if trips else None,
        sum(losses) / len(losses) if losses else None,
    )


def _outside(tried: Sequence[Outside]) -> tuple[Outside, ...]:
    """Reached is what was reached each time."""
    found: dict[tuple[str, str], Outside] = {}
    for its in tried:
        key = (its.source, its.target)
        found[key] = replace(its, reached=its.reached and (key not in found or found[key].reached))
    return tuple(found.values())
