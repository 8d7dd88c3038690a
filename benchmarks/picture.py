"""A curve of time against hosts as SVG, readable on light and on dark ground. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 760, 380
LEFT, RIGHT, TOP, BOTTOM = 56, 210, 48, 48
STYLE = """\
text { font: 13px system-ui, sans-serif; fill: #24292f; }
.title { font-weight: 600; font-size: 15px; }
.grid { stroke: #d0d7de; stroke-width: 1; }
.s0 { stroke: #0969da; fill: #0969da; } .s1 { stroke: #bc4c00; fill: #bc4c00; }
.s2 { stroke: #1a7f37; fill: #1a7f37; } .s3 { stroke: #8250df; fill: #8250df; }
.line { fill: none; stroke-width: 2; }
text.name { stroke: none; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; } .grid { stroke: #30363d; }
  .s0 { stroke: #58a6ff; fill: #58a6ff; } .s1 { stroke: #f0883e; fill: #f0883e; }
  .s2 { stroke: #3fb950; fill: #3fb950; } .s3 { stroke: #bc8cff; fill: #bc8cff; }
}"""
COLOURS = 4


@dataclass(frozen=True)
class Line:
    """``points`` are (hosts, seconds)."""

    name: str
    points: Sequence[tuple[float, float]]


def step(largest: float, most: int = 6) -> float:
    """The distance of grid lines: 1, 2 or 5 times a power of ten, so that there are at most ``most``."""
    size = 1e-3
    while True:
        for factor in (1, 2, 5):
            if largest <= size * factor * most:
                return size * factor
        size *= 10


def spread(wanted: Mapping[int, float], distance: float) -> dict[int, float]:
    """Heights of labels near the wanted ones, none closer than ``distance`` to the next."""
    placed: dict[int, float] = {}
    last = float("-inf")
    for key, height in sorted(wanted.items(), key=lambda item: item[1]):
        last = max(height, last + distance)
        placed[key] = last
    return placed


def draw(title: str, lines: Sequence[Line]) -> str:
    """The whole file. Needs a line with a point at the least."""
    points = [point for line in lines for point in line.points]
    right, top = max(x for x, _ in points), max(y for _, y in points)
    rise = step(top)
    top = rise * -(-top // rise)

    def across(x: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * x / right

    def up(y: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * y / top

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title)}">',
        f"<style>{STYLE}</style>",
        f'<text class="title" x="{LEFT}" y="24">{escape(title)}</text>',
    ]
    for number in range(round(top / rise) + 1):
        y = up(number * rise)
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{number * rise:g} s</text>')
    for x in sorted({x for x, _ in points}):
        parts.append(
            f'<text x="{across(x):.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{x:g}</text>'
        )
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle:.0f}" y="{HEIGHT - 8}" text-anchor="middle">hosts</text>')
    names = spread({n: up(line.points[-1][1]) for n, line in enumerate(lines)}, 16)
    for number, line in enumerate(lines):
        style = f"s{number % COLOURS}"
        way = "L".join(f"{across(x):.1f} {up(y):.1f}" for x, y in line.points)
        parts.append(f'<path class="line {style}" style="fill:none" d="M{way}"/>')
        parts += [
            f'<circle class="{style}" cx="{across(x):.1f}" cy="{up(y):.1f}" r="3.5">'
            f"<title>{escape(line.name)}: {y:.2f} s at {x:g} hosts</title></circle>"
            for x, y in line.points
        ]
        end, seconds = line.points[-1]
        parts.append(
            f'<text class="name {style}" x="{across(end) + 10:.1f}" y="{names[number] + 4:.1f}">'
            f"{escape(line.name)}, {seconds:.1f} s</text>"
        )
    return "\n".join([*parts, "</svg>", ""])
