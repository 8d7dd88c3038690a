"""From the pattern of verdicts to causes: each red pair is explained by one of the `rules`. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .matrix import Cause, Matrix
from .rules import RULES, UNEXPLAINED, Rule
from .signs import Context, of_pair

Directed = tuple[str, str]


def causes(matrix: Matrix, context: Context) -> tuple[Cause, ...]:
    """One cause for all the pairs that one rule explains at one place: the fleet, a host, or two hosts."""
    signs = {(p.source, p.target): of_pair(p, matrix, context) for p in matrix.pairs}
    red = {(p.source, p.target) for p in matrix.red}
    left = dict.fromkeys(pair for pair in signs if pair in red)
    found: dict[tuple[str, str], Cause] = {}
    for rule in RULES:
        among = [pair for pair in signs if pair not in red] if rule.warns else list(left)
        matching = [pair for pair in among if rule.signs <= signs[pair] and not rule.but & signs[pair]]
        _tell(rule, matching, matrix, context, found)
        for pair in matching:
            left.pop(pair, None)
    # What is left lacks answers only: the other direction has its cause, unless each was left to the other.
    _tell(UNEXPLAINED, [(a, b) for a, b in left if (b, a) in left], matrix, context, found)
    return tuple(found.values())


def _tell(
    rule: Rule,
    matching: list[Directed],
    matrix: Matrix,
    context: Context,
    found: dict[tuple[str, str], Cause],
) -> None:
    for where, pairs in _places(matching, matrix.hosts):
        cause = _cause(rule, where, pairs, context)
        found.setdefault((cause.where, cause.seen), cause)


def _places(pairs: list[Directed], hosts: tuple[str, ...]) -> Iterable[tuple[str, list[Directed]]]:
    """Group pairs by the widest place that they fill: all hosts, one host (both ways, to it, from it), or two
    hosts."""
    left = dict.fromkeys(pairs)
    everything = [(a, b) for a in hosts for b in hosts if a != b]
    if len(hosts) > 2 and all(pair in left for pair in everything):
        yield "all hosts", everything
        return
    if len(hosts) > 2:
        for arrow in ("<->", "to", "from"):
            full = [(host, its) for host in hosts if _fills(its := _around(host, hosts, arrow), left)]
            # Two hosts that are cut off from each other alone are a pair, not two hosts that are to blame.
            for host, its in full:
                rest = [pair for pair in its if pair in left]
                if rest:
                    yield _named(host, arrow), rest
                    for pair in rest:
                        del left[pair]
    while left:
        a, b = next(iter(left))
        both = (b, a) in left
        yield (f"{a} <-> {b}" if both else f"{a} -> {b}"), [(a, b), *([(b, a)] if both else [])]
        left.pop((a, b))
        left.pop((b, a), None)


def _fills(pairs: list[Directed], left: Mapping[Directed, None]) -> bool:
    return all(pair in left for pair in pairs)


def _around(host: str, hosts: tuple[str, ...], arrow: str) -> list[Directed]:
    to = [(other, host) for other in hosts if other != host]
    out = [(host, other) for other in hosts if other != host]
    return {"<->": to + out, "to": to, "from": out}[arrow]


def _named(host: str, arrow: str) -> str:
    return {"<->": host, "to": f"to {host}", "from": f"from {host}"}[arrow]


def _cause(rule: Rule, where: str, pairs: list[Directed], context: Context) -> Cause:
    a, b = _ends(where, pairs)
    values = {
        "a": a,
        "b": b,
        "at_a": context.vteps.get(a, a),
        "at_b": context.vteps.get(b, b),
        "why": next(
            (context.lost[name] for pair in pairs for name in pair if name in context.lost), "no answer"
        ),
        "largest": _largest(pairs, context),
        "vxlan": context.vxlan,
    }
    return Cause(
        rule.name,
        where,
        rule.seen.format(**values),
        rule.fix.format(**values),
        rule.issues,
        tuple(pairs),
    )


def _ends(where: str, pairs: list[Directed]) -> tuple[str, str]:
    if where == "all hosts":
        return "any host", "any other"
    if where.startswith("to "):
        return "the others", pairs[0][1]
    if " " not in where:
        return where, "the others"
    return (pairs[0][0], "the others") if where.startswith("from ") else pairs[0]


def _largest(pairs: list[Directed], context: Context) -> str:
    known = [context.largest[pair] for pair in pairs if pair in context.largest]
    return f"the underlay carries {min(known)} bytes at most" if known else "the underlay's MTU is smaller"
