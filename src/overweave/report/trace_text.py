"""The way of a packet as a picture on a terminal: a box for each network namespace, a line through them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderableType
from rich.text import Text

from overweave.facts.echo import Echo
from overweave.trace.model import Hop, Kind, Problem, Space, Trace, Way

WIDTH = 80
LABEL = 9


@dataclass(frozen=True)
class Signs:
    """What the picture is drawn with."""

    ok: str
    broken: str
    line: str
    side: str
    flat: str
    corners: str
    through: str
    arrow: str


FANCY = Signs("✓", "✗", "│", "│", "─", "┌┐└┘", "┼", "→")
PLAIN = Signs("+", "X", "|", "|", "-", "++++", "+", "->")


class Report:
    """The picture, what the real packets did, and the first broken hop with its remedy. Drawn in lines and
    boxes, or in ASCII where the terminal knows no more."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        signs = PLAIN if options.ascii_only else FANCY
        for line in _lines(self._trace, signs, max(40, min(WIDTH, options.max_width))):
            if options.ascii_only:
                # A link may have any name.
                line.plain = line.plain.encode("ascii", "replace").decode()
            yield line


def trace(result: Trace) -> RenderableType:
    """What people read of a trace."""
    return Report(result)


def _lines(result: Trace, signs: Signs, width: int) -> Iterator[Text]:
    on = f", network {result.network} ({result.driver})" if result.network else ""
    yield Text.assemble((f"{result.source} -> {result.target}", "bold"), on)
    if result.stopped is not None:
        yield _row("no way", result.stopped.seen, "bold red")
        yield _row("fix", result.stopped.fix)
        yield from (_row("", f"{who}: {its}") for who, its in result.stopped.networks)
        return
    yield Text()
    if result.there is not None:
        yield from _draw(result.there, signs, width)
    if result.back is not None:
        yield from _back(result.back, signs, width)
    for number, way in enumerate(result.ways):
        if way.echo is not None:
            words = f"{way.source} -> {way.target}: {echo_words(way.echo)}"
            yield _row("ping" * (number == 0), words, _style(way))
    yield from (_row("note", note) for note in result.notes)
    yield from _broken(result)
    yield _row("verdict", verdict(result), "bold green" if result.ok else "bold red")


def _broken(result: Trace) -> Iterator[Text]:
    """The first broken hop with all that is wrong with it, and then the others in a line each."""
    first = result.broken
    if first is None:
        return
    yield _row("broken", first.where, "bold red")
    for problem in first.problems:
        yield _row("", problem.seen, "red")
        yield _row("fix", problem.fix)
    others = [h for way in result.ways for h in way.hops if _key(h) != _key(first)]
    told = dict.fromkeys(f"{h.where}: {p.seen}" for h in others for p in h.problems)
    yield from (_row("also", line) for line in told)


def verdict(result: Trace) -> str:
    """In one sentence."""
    if result.stopped is not None:
        return result.stopped.seen
    if result.ok:
        return "the packet arrives, both ways"
    if result.broken is not None and result.arrives:
        return "the packet arrives, and something on its way is not as it should be"
    dead = [way for way in result.ways if way.echo and not way.echo.answered]
    if not dead:
        seen = "small packets arrive and large ones are lost"
    elif len(dead) == 1:
        seen = f"{dead[0].source} does not reach {dead[0].target}"
    else:
        seen = "the packet does not arrive"
    if result.broken is not None:
        return f"{seen}: it breaks at the hop that is marked"
    more = "" if result.captured else "; --capture shows where it is lost"
    return f"{seen}, and all that could be read looks right{more}"


def echo_words(echo: Echo | None) -> str:
    """What became of the real packets."""
    if echo is None:
        return "not sent"
    if echo.problem:
        return f"not sent: {echo.problem}"
    if not echo.answered:
        why = [f"could not be sent ({echo.small.errno})"] if echo.small.errno else []
        return f"DEAD: none of {echo.small.sent} answered" + "".join(
            f"; {line}" for line in (*why, *echo.refusals)
        )
    trip = f", {echo.small.milliseconds:.2f} ms" if echo.small.milliseconds is not None else ""
    small = f"{echo.small.answered} of {echo.small.sent} answered{trip}"
    if echo.whole:
        return f"ok, {small}; {echo.size} bytes uncut: ok"
    why = [f"could not be sent ({echo.full.errno})"] if echo.full.errno else []
    refused = "".join(f"; {line}" for line in (*why, *echo.refusals))
    return f"{small}; {echo.size} bytes uncut: LOST{refused}"


def seen_words(hop: Hop) -> str:
    """What a capture saw at a hop, "" where none was made."""
    seen = hop.seen
    if seen is None:
        return ""
    if not seen.requests and not seen.replies:
        return "on the wire: nothing"

    def at(after: float | None) -> str:
        return "NOT seen" if after is None else f"{after:+.3f} ms"

    outer = f"; in UDP {seen.outer}" if seen.outer else ""
    return (
        f"on the wire: request {at(seen.request_after)}, reply {at(seen.reply_after)}, TTL {seen.ttl}, "
        f"{seen.length} bytes{outer}"
    )


def _draw(way: Way, signs: Signs, width: int) -> Iterator[Text]:
    boxes = [(space, list(hops)) for space, hops in groupby(way.hops, key=lambda hop: hop.space)]
    for number, (space, hops) in enumerate(boxes):
        first, last = number == 0, number == len(boxes) - 1
        if not first and boxes[number - 1][0].host != space.host:
            yield Text(f"  {signs.line}  the network between the hosts")
        yield _border(space, signs, width, top=True, through=not first)
        for at, hop in enumerate(hops):
            end = last and at == len(hops) - 1
            yield from _hop(hop, signs, width, " " if end else signs.line)
        yield _border(None, signs, width, top=False, through=not last)
    yield Text()


def _border(space: Space | None, signs: Signs, width: int, *, top: bool, through: bool) -> Text:
    left, right = tuple(signs.corners)[:2] if top else tuple(signs.corners)[2:]
    text = Text(left + signs.flat + (signs.through if through else signs.flat) + signs.flat)
    if space is not None:
        text.append(" ")
        text.append(_cut(f"{space.host}: {space.name}", width - 10), "bold")
        text.append(" ")
    text.append(signs.flat * (width - 1 - text.cell_len) + right)
    return text


def _hop(hop: Hop, signs: Signs, width: int, line: str) -> Iterator[Text]:
    inside = width - 4
    mark = (signs.ok, "green") if hop.ok else (signs.broken, "bold red")
    title = Text.assemble(mark, " ", (str(hop.kind), ""), " ", (hop.name, "bold"))
    yield _boxed(title, signs, inside)
    details = [(hop.what, "dim"), ("  ".join(hop.shows).replace("->", signs.arrow), "")]
    details.append((seen_words(hop).replace("->", signs.arrow), "cyan"))
    details += [(f"BROKEN: {problem.seen}", "bold red") for problem in hop.problems]
    for words, style in details:
        for piece in textwrap.wrap(words, inside - 4):
            yield _boxed(Text.assemble(line, "   ", (piece, style)), signs, inside)


def _boxed(content: Text, signs: Signs, inside: int) -> Text:
    content.truncate(inside, pad=True)
    return Text.assemble(signs.side, " ", content, " ", signs.side)


def _back(way: Way, signs: Signs, width: int) -> Iterator[Text]:
    """The way back in a line or two: it goes through the same devices, by rows and a route of its own."""
    pieces: list[tuple[str, bool]] = []
    host = ""
    for hop in way.hops:
        if hop.space.host != host:
            host = hop.space.host
            pieces.append((f"{host}:", True))
        pieces.append((_short(hop, signs), hop.ok))
    text, used = Text(f"{'back':<{LABEL}}", "bold"), LABEL
    for number, (piece, ok) in enumerate(pieces):
        arrow = "" if number == 0 or pieces[number - 1][0].endswith(":") else f"{signs.arrow} "
        size = cell_len(f"{arrow}{piece} ")
        if used + size > width:
            text.append("\n" + " " * LABEL)
            used = LABEL
        text.append(arrow, "dim").append(f"{piece} ", "" if ok else "bold red")
        used += size
    yield text


def _short(hop: Hop, signs: Signs) -> str:
    mark = "" if hop.ok else f"{signs.broken} "
    if hop.kind in (Kind.NEIGHBOUR, Kind.FORWARDING):
        shows = next(iter(hop.shows), "missing").removeprefix("-> ")
        return f"{mark}{'row' if hop.kind is Kind.NEIGHBOUR else 'vtep'} {shows}"
    return f"{mark}{hop.name}"


def _row(label: str, words: str, style: str = "") -> Text:
    """A label and what is behind it, wrapped by the terminal: commands are to be copied whole."""
    return Text.assemble((f"{label:<{LABEL}}", "bold"), (words, style))


def _style(way: Way) -> str:
    return "green" if way.arrives else "bold red"


def _cut(words: str, limit: int) -> str:
    return words if cell_len(words) <= limit else set_cell_size(words, limit)


def _key(hop: Hop) -> tuple[object, ...]:
    problems: tuple[Problem, ...] = hop.problems
    return hop.space, hop.name, problems
