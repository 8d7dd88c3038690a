"""The way of a packet as an SVG that needs nothing else: hosts side by side, namespaces as boxes in them,
devices as nodes, and the way as a line down on the left and up on the right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise
from textwrap import wrap
from xml.sax.saxutils import escape

from overweave.printable import one_line
from overweave.trace.model import Hop, Kind, Space, Trace, Way

from .trace_text import echo_words, seen_words, verdict

NODE_WIDTH, NODE_HEIGHT, GAP = 330, 50, 16
PAD, TITLE = 14, 26
"""Pixels around nodes inside of a box, and for the title of a box."""
COLUMN = NODE_WIDTH + 4 * PAD
LINE = 22
NARROW = 900
TOP = 104
BETWEEN = 90
"""Pixels between the two hosts."""
CHARACTER = 7.4
"""Pixels of a character of the text below, at the most."""

STYLE = """
:root { color-scheme: light dark; }
svg { --page: #ffffff; --host: #f3f5f8; --space: #ffffff; --node: #f7f9fc; --edge: #c3ccd8; --text: #17202c;
  --soft: #5b6778; --way: #1a73c9; --bad: #c62828; --bad-node: #fdecec; --good: #1f8a4c; }
@media (prefers-color-scheme: dark) { svg { --page: #12161c; --host: #1a2029; --space: #212934;
  --node: #2a3441; --edge: #45525f; --text: #e8edf3; --soft: #9eabba; --way: #64b0f4; --bad: #ff7b72;
  --bad-node: #40222a; --good: #5fd08c; } }
text { font: 13px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: var(--text); }
.page { fill: var(--page); } .host { fill: var(--host); stroke: var(--edge); }
.space { fill: var(--space); stroke: var(--edge); stroke-dasharray: 5 4; }
.node { fill: var(--node); stroke: var(--edge); } .bad.node { fill: var(--bad-node); stroke: var(--bad);
  stroke-width: 2; }
.title { font-size: 17px; font-weight: 600; } .name { font-weight: 600; }
.soft { fill: var(--soft); font-size: 12px; } .small { fill: var(--soft); font-size: 11px; }
.good { fill: var(--good); } text.bad { fill: var(--bad); }
.way { stroke: var(--way); stroke-width: 3; fill: none; stroke-linejoin: round; }
.lost { stroke: var(--bad); stroke-dasharray: 3 6; }
.dot { fill: var(--way); stroke: var(--node); stroke-width: 2; } .bad.dot { fill: var(--bad); }
.off.dot { fill: var(--node); stroke: var(--edge); }
"""


@dataclass(frozen=True)
class Node:
    """A hop at its place: ``x`` and ``y`` are of its upper left corner."""

    hop: Hop
    x: float
    y: float


def trace(result: Trace) -> str:
    """The whole file. Where there is no way, it says why."""
    if result.there is None:
        lines = list(_stopped(result))
        return _file(NARROW, TOP + LINE * len(lines), [*_head(result), *_lines(lines, TOP)])
    left, right, across = _columns(result.there)
    hosts = [left[0].space.host, right[0].space.host]
    gap = BETWEEN if across is None else 2 * PAD
    rows = max(_height(left), _height(right))
    nodes = [*_place(left, 3 * PAD, rows), *_place(right[::-1], 3 * PAD + COLUMN + gap, rows)[::-1]]
    bottom = max(node.y for node in nodes) + NODE_HEIGHT
    if across is not None:
        middle = PAD + (2 * COLUMN + gap - NODE_WIDTH) / 2
        nodes.insert(len(left), Node(across, middle, bottom + GAP))
        bottom += GAP + NODE_HEIGHT
    bottom += 2 * PAD
    width = 2 * COLUMN + gap + 2 * PAD
    parts = [*_head(result)]
    if across is None:
        parts += [_host(hosts[0], PAD, COLUMN, bottom), _host(hosts[1], PAD + COLUMN + gap, COLUMN, bottom)]
    else:
        parts.append(_host(hosts[0], PAD, 2 * COLUMN + gap, bottom))
    parts += [*_spaces(nodes, across), *_line(nodes, result.there.broken)]
    broken = result.there.broken
    at = next((n for n, node in enumerate(nodes) if node.hop is broken), len(nodes))
    for number, node in enumerate(nodes):
        parts += _node(node, nodes, lost=number > at)
    foot = list(_foot(result, width - 2 * PAD))
    height = bottom + 2 * PAD + LINE * len(foot) + PAD
    return _file(width, height, [*parts, *_lines(foot, bottom + 2 * PAD + 4)])


def _columns(way: Way) -> tuple[list[Hop], list[Hop], Hop | None]:
    """The hops that go down on the left, those that go up on the right, and what is below both."""
    first = way.hops[0].space.host
    if any(hop.space.host != first for hop in way.hops):
        cut = next(n for n, hop in enumerate(way.hops) if hop.space.host != first)
        return list(way.hops[:cut]), list(way.hops[cut:]), None
    at = next((n for n, hop in enumerate(way.hops) if hop.kind is Kind.BRIDGE), len(way.hops) // 2)
    return list(way.hops[:at]), list(way.hops[at + 1 :]), way.hops[at]


def _groups(hops: Iterable[Hop]) -> list[tuple[Space, list[Hop]]]:
    return [(space, list(its)) for space, its in groupby(hops, key=lambda hop: hop.space)]


def _height(hops: list[Hop]) -> float:
    return sum(TITLE + len(its) * (NODE_HEIGHT + GAP) - GAP + 2 * PAD for _, its in _groups(hops))


def _place(hops: list[Hop], x: float, rows: float) -> list[Node]:
    """From the top down; the last namespace, which is next to the other column, is at the bottom."""
    nodes: list[Node] = []
    y: float = TOP + TITLE
    groups = _groups(hops)
    spare = (rows - _height(hops)) / max(1, len(groups) - 1)
    for _, its in groups:
        y += TITLE
        for hop in its:
            nodes.append(Node(hop, x, y))
            y += NODE_HEIGHT + GAP
        y += 2 * PAD - GAP + spare
    return nodes


def _spaces(nodes: list[Node], across: Hop | None) -> Iterator[str]:
    right = max(node.x for node in nodes)
    for (space, x), group in groupby(nodes, key=lambda node: (node.hop.space, node.x)):
        its = list(group)
        if across is not None and its[0].hop.space == across.space:
            continue
        y, last = min(n.y for n in its), max(n.y for n in its)
        title = PAD + 36 if x == right else PAD
        yield _space(space, x - PAD, y, NODE_WIDTH + 2 * PAD, last, title=title)
    if across is not None:
        its = [node for node in nodes if node.hop.space == across.space]
        left, right = min(n.x for n in its), max(n.x for n in its)
        yield _space(
            across.space,
            left - PAD,
            min(n.y for n in its),
            right - left + NODE_WIDTH + 2 * PAD,
            max(n.y for n in its),
        )


def _space(space: Space, x: float, first: float, width: float, last: float, *, title: float = PAD) -> str:
    """``title``: where its name begins, next to the line."""
    height = last - first + NODE_HEIGHT + TITLE + PAD
    y = first - TITLE
    return (
        f'<rect class="space" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="8"/>'
        f'<text class="soft" x="{x + title:g}" y="{y + 17:g}">{_text(space.name, 50)}</text>'
    )


def _host(name: str, x: float, width: float, bottom: float) -> str:
    size = f'width="{width:g}" height="{bottom - TOP + 10:g}"'
    return (
        f'<rect class="host" x="{x:g}" y="{TOP - 10}" {size} rx="12"/>'
        f'<text class="name" x="{x + PAD:g}" y="{TOP + 12:g}">{_text(name, 40)}</text>'
    )


def _line(nodes: list[Node], broken: Hop | None) -> Iterator[str]:
    """From node to node, under them; behind the first broken one it is dotted."""
    lost = False
    for here, there in pairwise(nodes):
        lost = lost or here.hop is broken
        (x, y), (to_x, to_y) = _anchor(here, nodes), _anchor(there, nodes)
        # Down from a column to what is below both, or up from there.
        corner = f"L{x:g},{to_y:g} " if to_y > y else f"L{to_x:g},{y:g} "
        yield f'<path class="way{" lost" if lost else ""}" d="M{x:g},{y:g} {corner}L{to_x:g},{to_y:g}"/>'
        if here.hop.space.host != there.hop.space.host:
            middle = (x + to_x) / 2
            yield f'<text class="small" text-anchor="middle" x="{middle:g}" y="{y - 10:g}">the wire</text>'


def _anchor(node: Node, nodes: list[Node]) -> tuple[float, float]:
    """Where the line meets a node: on the side that faces the other column."""
    y = node.y + NODE_HEIGHT / 2
    if node.x == min(n.x for n in nodes):
        return node.x + NODE_WIDTH - 18, y
    return (node.x + 18, y) if node.x == max(n.x for n in nodes) else (node.x + NODE_WIDTH / 2, y)


def _node(node: Node, nodes: list[Node], *, lost: bool) -> Iterator[str]:
    """``lost``: the packet does not come this far."""
    hop, x, y = node.hop, node.x, node.y
    bad = "" if hop.ok else " bad"
    at, middle = _anchor(node, nodes)
    words = x + (36 if at == x + 18 else 12)
    kind = f'<tspan class="soft">{_text(hop.kind, 20)}</tspan>'
    name = f'<tspan class="name{bad}">{_text(hop.name, 26)}</tspan>'
    yield (
        f"<g><title>{escape(_told(hop))}</title>"
        f'<rect class="node{bad}" x="{x:g}" y="{y:g}" width="{NODE_WIDTH}" height="{NODE_HEIGHT}" rx="7"/>'
        f'<text x="{words:g}" y="{y + 21:g}">{kind} {name}</text>'
        f'<text class="small" x="{words:g}" y="{y + 39:g}">{_text(_fitting(hop), 46)}</text>'
    )
    if at != x + NODE_WIDTH / 2:
        yield f'<circle class="dot{bad or " off" * lost}" cx="{at:g}" cy="{middle:g}" r="7"/>'
    yield "</g>"


def _shown(hop: Hop) -> str:
    return "   ".join(hop.shows).replace("->", "→")


def _fitting(hop: Hop) -> str:
    """As many of them as a node is wide for."""
    words = ""
    for shown in hop.shows:
        more = f"{words} · {shown}" if words else shown
        words = more if len(more) <= 46 else words
    return words.replace("->", "→")


def _told(hop: Hop) -> str:
    """What a pointer over a node shows."""
    lines = [f"{hop.kind} {hop.name}", hop.what, _shown(hop), seen_words(hop)]
    lines += [f"BROKEN: {problem.seen}. {problem.fix}" for problem in hop.problems]
    return "\n".join(one_line(line, 400) for line in lines if line)


def _head(result: Trace) -> Iterator[str]:
    on = f"network {result.network} ({result.driver})" if result.network else "no network in common"
    style = "good" if result.ok else "bad"
    yield (
        f'<text class="title" x="{PAD}" y="34">{_text(result.source, 40)} → {_text(result.target, 40)}</text>'
        f'<text class="soft" x="{PAD}" y="56">{_text(on, 90)}</text>'
        f'<text class="{style}" x="{PAD}" y="78">{_text(verdict(result), 110)}</text>'
    )


def _foot(result: Trace, width: float) -> Iterator[tuple[str, str]]:
    """Class and words of each line below the picture."""
    letters = int(width / CHARACTER)
    for way in result.ways:
        words = f"ping {way.source} → {way.target}: {echo_words(way.echo)}"
        yield from (("good" if way.arrives else "bad", line) for line in wrap(words, letters))
    if broken := result.broken:
        for problem in broken.problems:
            yield from (("bad", line) for line in wrap(f"{broken.where}: {problem.seen}", letters))
            yield from (("soft", line) for line in wrap(f"fix: {problem.fix}", letters))


def _stopped(result: Trace) -> Iterator[tuple[str, str]]:
    if result.stopped is not None:
        yield from (("soft", line) for line in wrap(f"fix: {result.stopped.fix}", 120))
        yield from (("soft", f"{who}: {its}") for who, its in result.stopped.networks)


def _lines(lines: list[tuple[str, str]], y: float) -> Iterator[str]:
    for number, (style, words) in enumerate(lines):
        yield f'<text class="{style}" x="{PAD}" y="{y + LINE * number:g}">{_text(words, 300)}</text>'


def _text(words: object, limit: int) -> str:
    return escape(one_line(words, limit))


def _file(width: float, height: float, parts: Iterable[str]) -> str:
    inside = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" role="img">\n<style>{STYLE}</style>\n'
        f'<rect class="page" width="{width:g}" height="{height:g}"/>\n{inside}\n</svg>\n'
    )
