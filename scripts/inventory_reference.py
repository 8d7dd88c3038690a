"""Makes docs/reference/inventory.md of inventory/example.yml: `python scripts/inventory_reference.py > FILE`.

The comments of the example are all there is to read: above a key of the first level, behind a key, and below
that at the same column. A key that is commented out is one that the example can't have beside the others.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

EXAMPLE = Path(__file__).parents[1] / "inventory/example.yml"
KEY = re.compile(r'^(?P<indent> *(?:# ?)? *)(?P<key>"[^"]+"|[\w-]+):(?P<value> .*?)?(?:\s+# (?P<told>.*))?$')
REMARKS = 20
"""Comments that begin in this column or later go on with the one above; what begins before is a key."""
NAMES = {"hosts": "NAME", "networks": "NAME", "images.archives": "IMAGE"}
"""Where the keys are names that somebody chooses."""


@dataclass
class Key:
    path: tuple[str, ...]
    value: str
    told: list[str] = field(default_factory=list)


@dataclass
class Section:
    name: str
    above: list[str]
    keys: list[Key]


def sections(text: str) -> list[Section]:
    """The keys of each key of the first level. Raises `ValueError` for a line that is neither."""
    found: list[Section] = []
    above: list[str] = []
    parents: list[tuple[int, str]] = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = re.sub(r"^( *)- (?=[\w-]+:)", r"\1  ", raw)  # an item of a list is told by its keys
        comment = re.match(r" *# (.*)", line)
        column = line.find("#")
        if not line.strip():
            above = []
        elif comment and column == 0:
            above.append(comment[1])
        elif comment and column >= REMARKS:
            found[-1].keys[-1].told.append(comment[1])
        elif its := KEY.match(line):
            indent = len(its["indent"].replace("# ", "").replace("#", ""))
            parents = [(at, name) for at, name in parents if at < indent]
            path = (*(name for _, name in parents), its["key"].strip('"'))
            parents.append((indent, path[-1]))
            if indent == 0:
                found.append(Section(path[0], above, []))
                above = []
            value = (its["value"] or "").strip()
            found[-1].keys.append(Key(path, value, [its["told"]] if its["told"] else []))
        else:
            raise ValueError(f"{EXAMPLE.name}, line {number}: neither a key nor a comment: {line}")
    return found


def named(path: tuple[str, ...]) -> str:
    words: list[str] = []
    for word in path:
        words.append(NAMES.get(".".join(words), word))
    return ".".join(words)


def table(section: Section) -> list[str]:
    rows: dict[str, Key] = {}
    for key in section.keys:
        its = rows.setdefault(named(key.path), Key(key.path, key.value))
        its.told += [text for text in key.told if text not in its.told]
    lines = ["| key | example | what it says |", "|---|---|---|"]
    for name, key in rows.items():
        if key.value or key.told:
            value = f"`{key.value}`" if key.value else ""
            cells = (f"`{name}`", value, linked(" ".join(key.told)))
            lines.append("".join(f"| {cell} ".replace("  ", " ") for cell in cells) + "|")
    return lines


def linked(text: str) -> str:
    """Pages that are named, as links from docs/reference/."""
    return re.sub(r"\bdocs/([\w-]+\.md)", r"[\1](../\1)", text)


def page(text: str) -> str:
    lines = [
        "# The inventory, key by key",
        "",
        "Made of [inventory/example.yml](../../inventory/example.yml) by `scripts/inventory_reference.py`.",
        "A key that is not known is refused with its path, and so is one that is given twice.",
    ]
    for section in sections(text):
        lines += ["", f"## {section.name}", ""]
        if section.above:
            lines += [*map(linked, section.above), ""]
        lines += table(section)
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page(EXAMPLE.read_text(encoding="utf-8")))
