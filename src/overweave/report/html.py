"""A proof as one page that needs nothing else: no server, no network, no other file. Pure.

What hosts said reaches the page as JSON in a script element of no executable type, and the page's own script
writes it as text only. The page's Content-Security-Policy allows nothing but that script and that style, by
their hashes, and no connection at all.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from overweave import __version__
from overweave.printable import one_line
from overweave.prove.matrix import UNDERLAY, Cause, Matrix, Pair, Verdict
from overweave.render import render, script

from .measured import finite

PARTS = ("pairs", "grid", "details", "page")
"""Of the page's script, in their order."""


def html(result: Matrix, at: datetime) -> str:
    """The whole page. ``at`` is when the proof ended."""
    style, code = script("proof.css"), "".join(script(f"proof-{part}.js") for part in PARTS)
    return render(
        "proof.html.j2",
        policy=f"default-src 'none'; script-src {_hash(code)}; style-src {_hash(style)}; img-src data:; "
        "base-uri 'none'; form-action 'none'",
        style=style,
        code=code,
        data=_embedded(_told(result, at)),
    )


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _embedded(told: Mapping[str, Any]) -> str:
    """JSON that can't end the element it stands in, nor begin a comment or another."""
    words = json.dumps(told, separators=(",", ":"))
    return words.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _told(result: Matrix, at: datetime) -> dict[str, Any]:
    """What the page shows. Pairs name hosts by their number: there are thousands of them."""
    numbers = {host: number for number, host in enumerate(result.hosts)}
    under = {check for pair in result.pairs for check in pair.underlay}
    return {
        "version": __version__,
        "at": f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC",
        "network": one_line(result.network),
        "between": one_line(result.between),
        "green": result.green,
        "seconds": finite(result.seconds) or 0,
        "median": finite(result.median),
        "hosts": [one_line(host) for host in result.hosts],
        "checks": {
            "overlay": list(result.checks),
            "underlay": [check for check in UNDERLAY if check in under],
        },
        "pairs": [
            _pair(result, pair, numbers)
            for pair in result.pairs
            if pair.source in numbers and pair.target in numbers
        ],
        "causes": [_cause(cause, numbers) for cause in result.causes],
        "evidence": [
            [one_line(host), evidence.vni, one_line(evidence.vtep), evidence.sent, evidence.received]
            for host, evidence in result.evidence.items()
        ],
        "leftOut": {one_line(check): count for check, count in result.left_out.items() if count},
        "impossible": list(result.impossible),
        "withoutPerl": [one_line(host) for host in result.without_perl],
        "isolation": [
            [one_line(tried.source), one_line(tried.target), one_line(tried.reached)]
            for tried in result.isolation
        ],
    }


def _pair(result: Matrix, pair: Pair, numbers: Mapping[str, int]) -> list[Any]:
    """Source, target, cell, failed checks, and the verdicts of both planes."""
    return [
        numbers[pair.source],
        numbers[pair.target],
        result.cell(pair.source, pair.target).value,
        list(pair.failed),
        _verdicts(pair.checks),
        _verdicts(pair.underlay),
    ]


def _verdicts(verdicts: Mapping[str, Verdict]) -> dict[str, list[Any]]:
    return {
        check: [
            int(verdict.ok),
            one_line(verdict.detail, 200),
            finite(verdict.milliseconds),
            finite(verdict.loss),
        ]
        for check, verdict in verdicts.items()
    }


def _cause(cause: Cause, numbers: Mapping[str, int]) -> dict[str, Any]:
    return {
        "where": one_line(cause.where),
        "seen": one_line(cause.seen),
        "fix": one_line(cause.fix),
        "issues": [one_line(issue, 100) for issue in cause.issues],
        "pairs": [[numbers[a], numbers[b]] for a, b in cause.pairs if a in numbers and b in numbers],
    }
