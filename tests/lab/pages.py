"""Pages whose commands are run: the `console` blocks of docs/scenarios, and how what they show is compared.

`host1$ …` is typed on that host, `$ …` on the machine that Overweave is on. The lines behind it are all that
it says. A line `…` stands for any lines.

What is never the same twice is compared by kind: addresses of hosts and containers, MACs, ids, names of veth
devices. Such a value of a page stands for one value of the hosts, from where it is first said to the page's
end, and in commands, too: two containers that have one address in the page have to have one on the hosts.
Numbers of interfaces and processes, times, and how many spaces are between two words are not compared.

What only asks is asked again until it says what the page tells: whoever types is slower than a container
starts.

``OVERWEAVE_PAGES=write`` writes what was said into the pages, where it is something else.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from overweave.errors import DeadlineExceeded
from overweave.lab.waiting import wait_for

if TYPE_CHECKING:
    from tests.lab.bed import Bed

FOLDER = Path(__file__).parents[2] / "docs/scenarios"
PAGES_NET = "10.96.0"
"""What the addresses of hosts begin with in the pages: those of the lab that `fab lab.up` makes by itself."""
OF_PAGES = (0, 1, 11, 12, 13, 14, 64, 128, 255)
"""What addresses on the hosts' own network end with in the pages, and mean here, too."""
WRITE = os.environ.get("OVERWEAVE_PAGES") == "write"
ASKS = re.compile(r"docker exec|curl|fab (?!deploy|destroy)")
SECONDS = 3 if WRITE else 15
ANY_LINES = "…"
VALUE = re.compile(
    r"(?P<id>\b(?:[0-9a-f]{64}|[0-9a-f]{12})\b|(?<=namespace \d-)[0-9a-z]{10}\b"
    r"|(?<= lb_)[0-9a-z]{9}\b)"
    r"|(?P<mac>\b[0-9a-f]{2}(?::[0-9a-f]{2}){5}\b)"
    r"|(?P<address>\b(?:10|172\.(?:1[6-9]|2\d|3[01]))(?:\.\d+){2,3}\b)"
    r"|(?P<veth>\bveth[0-9a-f]{7}\b)"
    r"|(?P<namespace>(?<=net:\[)\d+)"
    # Of an interface, a process, a port that the kernel chose, an overlay; and times.
    r"|(?P<number>(?<=@if)\d+|(?<=VNI )\d+|^\d+(?=: \w+[@ ])|(?<=\(pid )\d+"
    r"|(?<=127\.0\.0\.11:)\d+|(?<=\]:)\d+"
    r"|\d+\.\d+(?:/\d+\.\d+)*(?= m?s\b))"
)
NOT_COMPARED = "number"
OF_EARLIER_RULES = "# Warning: iptables-legacy tables present, "
"""A kernel keeps tables that other tests have had rules in, for as long as the host runs."""
WHOLE_ID = 64
SHORT_ID = 12


@dataclass(frozen=True)
class Step:
    """A command of a page. ``host`` is "" for the machine that Overweave is on; ``line``: where the output
    begins, counted from 0."""

    host: str
    command: str
    output: tuple[str, ...]
    line: int


def steps(page: str) -> list[Step]:
    """What a page has its reader type, in its order."""
    found: list[Step] = []
    within = False
    for number, line in enumerate(page.splitlines(), 1):
        if line.startswith("```"):
            within = line == "```console"
        elif within and (typed := re.match(r"(host\d+)?\$ (.*)", line)):
            found.append(Step(typed[1] or "", typed[2], (), number))
        elif within:
            found[-1] = replace(found[-1], output=(*found[-1].output, line))
    return found


class Values:
    """What the values of a page stand for. ``addresses``: those known beforehand, and what they are here."""

    def __init__(self, addresses: Mapping[str, str]) -> None:
        self._here = {("address", its): ours for its, ours in addresses.items()}

    def here(self, text: str) -> str:
        """A text of the page as it has to be here."""
        return VALUE.sub(lambda value: self._here.get(_key(value), value[0]), text)

    def there(self, text: str) -> str:
        """A text of these hosts as the page says it, as far as it has said its values."""
        back = {(kind, ours): its for (kind, its), ours in self._here.items()}
        return VALUE.sub(lambda value: back.get(_key(value), value[0]), text)

    def agree(self, told: Sequence[str], seen: Sequence[str]) -> bool:
        """Whether what is seen is what the page tells; then its values are remembered."""
        first, *others = _between_any_lines(told)
        if not self._alike(first, seen[: len(first)]):
            return False
        at = len(first)
        for number, piece in enumerate(others, 1):
            end = len(seen) - len(piece)
            begins = range(max(at, end) if number == len(others) else at, end + 1)
            begin = next((b for b in begins if self._alike(piece, seen[b : b + len(piece)])), None)
            if begin is None:
                return False
            at = begin + len(piece)
        return at == len(seen)

    def _alike(self, told: Sequence[str], seen: Sequence[str]) -> bool:
        if [_form(line) for line in told] != [_form(line) for line in seen]:
            return False
        known = dict(self._here)
        for left, right in zip(told, seen, strict=True):
            for its, ours in zip(VALUE.finditer(left), VALUE.finditer(right), strict=True):
                if its.lastgroup != NOT_COMPARED and known.setdefault(_key(its), ours[0]) != ours[0]:
                    return False
                if len(its[0]) == WHOLE_ID:
                    known.setdefault(("id", its[0][:SHORT_ID]), ours[0][:SHORT_ID])
        if len({(kind, ours) for (kind, _), ours in known.items()}) != len(known):
            return False
        self._here = known
        return True


def _between_any_lines(told: Sequence[str]) -> list[list[str]]:
    found: list[list[str]] = [[]]
    for line in told:
        if line.strip() == ANY_LINES:
            found.append([])
        else:
            found[-1].append(line)
    return found


def _key(value: re.Match[str]) -> tuple[str, str]:
    return str(value.lastgroup), value[0]


def _form(line: str) -> str:
    return " ".join(VALUE.sub(lambda value: f"<{value.lastgroup}>", line).split())


def walk(bed: Bed, name: str) -> None:
    """Do what a page has its reader do. It has to say what the page says."""
    path = FOLDER / f"{name}.md"
    lines = path.read_text().splitlines()
    net, _, _ = bed.lab.host("host1").address.rpartition(".")
    values = Values({f"{PAGES_NET}.{last}": f"{net}.{last}" for last in OF_PAGES})
    longer = 0
    for step in steps(path.read_text()):
        command = values.here(step.command)
        seen: list[str] = []

        def agrees(step: Step = step, command: str = command) -> bool:
            nonlocal seen
            seen = _said(bed, step.host, command)
            return values.agree(step.output, seen)

        try:
            wait_for(agrees, SECONDS if ASKS.match(command) else 0, f"what {path.name} tells")
        except DeadlineExceeded as e:
            if not WRITE:
                told = "\n".join(step.output)
                said = "\n".join(map(values.there, seen))
                raise AssertionError(f"{path.name}:{step.line}: {command}\n{told}\n--- was:\n{said}") from e
            begin = step.line + longer
            lines[begin : begin + len(step.output)] = [values.there(line).rstrip() for line in seen]
            assert values.agree(lines[begin : begin + len(seen)], seen)
            longer += len(seen) - len(step.output)
    if WRITE:
        path.write_text("\n".join(lines) + "\n")


def _said(bed: Bed, host: str, command: str) -> list[str]:
    """What a command says: of a host's all that a terminal would show, of Overweave's all but the lines of
    progress."""
    if host:
        said = bed.lab.host(host).run(("sh", "-c", f"exec 2>&1; {command}")).stdout.splitlines()
        return [line for line in said if not line.startswith(OF_EARLIER_RULES)]
    program, *words = shlex.split(command)
    assert program == "fab"
    return bed.fab(*words).ok().out.splitlines()
