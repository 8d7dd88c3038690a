"""A move to a swarm, for --json."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from overweave.moving.turn import Turn
from overweave.preflight.finding import Finding
from overweave.prove.matrix import Matrix
from overweave.steps import Plan

from . import data


def planned(to: str, found: Iterable[Finding], turns: Iterable[Turn]) -> dict[str, Any]:
    """What would be done, turn by turn. ``host`` is null of what is done on all hosts."""
    return {
        "version": data.VERSION,
        "kind": "migration-plan",
        "to": to,
        "findings": [data.finding(its) for its in found],
        "turns": [_turn(turn) for turn in turns],
    }


def moved(to: str, turns: Iterable[Turn], proof: Matrix | None, seconds: float) -> dict[str, Any]:
    """What was done. ``proof`` is null where there was nothing to do."""
    told = [_turn(turn) for turn in turns]
    return {
        "version": data.VERSION,
        "kind": "migration",
        "to": to,
        "changed": bool(told),
        "seconds": round(seconds, 3),
        "turns": told,
        "proof": None if proof is None else data.matrix(proof),
    }


def ended(plan: Plan, proof: Matrix | None, seconds: float) -> dict[str, Any]:
    """The end of a move. ``proof`` is null where nothing was done."""
    return {
        "version": data.VERSION,
        "kind": "migration-end",
        "changed": bool(plan) and proof is not None,
        "seconds": round(seconds, 3),
        "stages": data.plan(plan)["stages"],
        "proof": None if proof is None else data.matrix(proof),
    }


def _turn(turn: Turn) -> dict[str, Any]:
    return {
        "host": turn.host or None,
        "stops": list(turn.stops),
        "proves": list(turn.proves),
        "stages": data.plan(turn.plan)["stages"],
    }
