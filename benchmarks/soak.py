"""Deployments one after the other on the same hosts, clean each time: every one must end proven."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import bed, process
from .tools import ROOT, fab

HEALED = "gossip islands were healed"


@dataclass(frozen=True)
class Round:
    """``green`` of ``pairs`` directed pairs; ``why`` says what was wrong, "" for nothing."""

    seconds: float
    green: int
    pairs: int
    healed: bool
    why: str = ""


def judge(done: process.Ended, proof: str, hosts: int) -> Round:
    """How a deployment ended; ``proof`` is its JSON, "" where it wrote none."""
    wanted = hosts * (hosts - 1)
    pairs = json.loads(proof).get("pairs", []) if proof else []
    green = sum(pair["green"] for pair in pairs)
    why = f"exit code {done.status}" if done.status else ""
    if not why and (green, len(pairs)) != (wanted, wanted):
        why = f"{green} of {wanted} pairs"
    return Round(done.seconds, green, wanted, HEALED in done.err, why)


def soak(rounds: int, hosts: int, subnet: str, tell: Callable[[str], None]) -> list[Round]:
    """All rounds, however they end: hosts that can't be cleaned are replaced by new ones."""
    made: list[Round] = []
    while len(made) < rounds:
        with bed.hosts(hosts, subnet) as (_, file):
            while len(made) < rounds:
                made.append(_once(file, hosts))
                its = made[-1]
                tell(
                    f"{len(made)} of {rounds}: {its.why or 'green'}, {its.green} of {its.pairs} pairs, "
                    f"{its.seconds:.1f} s{', healed' if its.healed else ''}"
                )
                if len(made) < rounds and not _cleaned(file):
                    tell("the hosts could not be cleaned: new ones")
                    break
    return made


def _once(file: Path, hosts: int) -> Round:
    proof = file.with_name("proof.json")
    proof.unlink(missing_ok=True)
    try:
        command = fab("deploy-overlay", file, "--yes", "--json", str(proof))
        done = process.run(command.words, cwd=str(ROOT))
    except (OSError, subprocess.TimeoutExpired) as e:
        return Round(0.0, 0, hosts * (hosts - 1), False, str(e))
    made = judge(done, proof.read_text() if proof.exists() else "", hosts)
    if made.why:
        print(done.out + done.err, file=sys.stderr)
    return made


def _cleaned(file: Path) -> bool:
    return process.run(fab("destroy-overlay", file, "--yes").words, cwd=str(ROOT)).status == 0


def summary(made: Sequence[Round]) -> list[str]:
    red = [number for number, its in enumerate(made, 1) if its.why]
    healed = sum(its.healed for its in made)
    return [
        f"{len(made) - len(red)} of {len(made)} deployments ended green; {healed} needed healing",
        *([f"red: {', '.join(map(str, red))}"] if red else []),
    ]
