"""The command line of the benchmarks."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from . import bed, deployments, process, soak
from .deployments import AGAIN, DEPLOY, PROOF, Series
from .picture import Line, draw
from .targets import targets
from .tools import ANSIBLE, FAB, OVERWEAVE, ROOT, TOOLS, ansible_folder

CURVE = "3,10,25,50"
PICTURE = ROOT / "docs/speed.svg"
ABOUT = """\
How fast Overweave is, on lab hosts of this machine. Needs root.

Without --soak and --curve: a clean deployment, the same again, the proof of all pairs, the reading of all
gossip and the memory of the tool, next to a bare ssh script and to Ansible; medians, and whether the
targets are met. Ansible is installed into the user's cache, from the package index, at the first run.
"""


def numbers(text: str) -> tuple[int, ...]:
    """``3,25`` as numbers of hosts. Raises `argparse.ArgumentTypeError`."""
    words = text.split(",")
    if not all(word.isascii() and word.isdigit() and int(word) for word in words):
        raise argparse.ArgumentTypeError(f"'{text}' are no numbers of hosts, as in 3 or 3,25")
    return tuple(map(int, words))


def chosen(text: str) -> tuple[str, ...]:
    """Tools by name. Raises `argparse.ArgumentTypeError`."""
    found = tuple(text.split(","))
    if not set(found) <= set(TOOLS):
        raise argparse.ArgumentTypeError(f"'{text}': there are {', '.join(TOOLS)}")
    return found


def arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description=ABOUT, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--hosts", type=numbers, help="in the lab, as in 3 or 3,25 (default: 3)")
    parser.add_argument("--runs", type=int, default=5, help="of each (default: 5)")
    parser.add_argument("--tools", type=chosen, default=TOOLS, help=f"default: {','.join(TOOLS)}")
    parser.add_argument("--anchors", action="store_true", help="the others leave a container per host, too")
    parser.add_argument(
        "--soak", type=int, metavar="N", help="N clean deployments in a row: all must be green"
    )
    parser.add_argument(
        "--curve", type=Path, nargs="?", const=PICTURE, metavar="FILE",
        help=f"draw time against hosts (--hosts, default: {CURVE}); default: docs/{PICTURE.name}",
    )  # fmt: skip
    parser.add_argument("--subnet", default="10.98.0.0/24", help="of the lab (default: 10.98.0.0/24)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there, too")
    wanted = parser.parse_args(words)
    if bed.is_taken():
        parser.error(f"a lab '{bed.NAME}' is up: `fab lab.down --name {bed.NAME}` first")
    return wanted


def main(words: Sequence[str]) -> int:
    wanted = arguments(words)
    # Whatever is compiled or cached at a first start is not what is measured.
    process.run((FAB, "--list"), cwd=str(ROOT))
    if wanted.soak:
        return _soak(wanted)
    if wanted.curve:
        return _curve(wanted)
    return _compare(wanted)


def _tell(line: str) -> None:
    print(f"{line}  (load {os.getloadavg()[0]:.1f})", flush=True)


def _write(file: Path | None, data: object) -> None:
    if file:
        file.write_text(json.dumps(data, indent=2) + "\n")


def _compare(wanted: argparse.Namespace) -> int:
    if ANSIBLE in wanted.tools:
        ansible_folder()  # before anything is measured
    made = [_measure(wanted, hosts, wanted.tools) for hosts in wanted.hosts or (3,)]
    reached = [target for series in made for target in targets(series)]
    for series in made:
        print("\n" + "\n".join(deployments.table(series, wanted.tools)))
    print("\ntargets" if reached else "\nno targets are set for fleets of these sizes")
    for target in reached:
        print(f"  {target}")
    _write(
        wanted.json,
        {
            "version": 1,
            "kind": "deployments",
            "anchors": wanted.anchors,
            "fleets": [series.as_data() for series in made],
            "targets": [
                {"what": t.what, "limit": t.limit, "unit": t.unit, "value": t.value, "met": t.met}
                for t in reached
            ],
        },
    )
    return 1 if any(series.failed.get(OVERWEAVE) for series in made) else 0


def _measure(wanted: argparse.Namespace, hosts: int, tools: Sequence[str]) -> Series:
    return deployments.measure(
        hosts, runs=wanted.runs, tools=tools, subnet=wanted.subnet, anchors=wanted.anchors, tell=_tell
    )


def _curve(wanted: argparse.Namespace) -> int:
    made = [_measure(wanted, hosts, (OVERWEAVE,)) for hosts in wanted.hosts or numbers(CURVE)]
    lines = [
        Line(deployments.TITLES[name], points)
        for name in (DEPLOY, PROOF, AGAIN)
        if (points := [(s.hosts, m) for s in made if (m := s.median(OVERWEAVE, name)) is not None])
    ]
    if lines:
        wanted.curve.write_text(draw("Overweave: time against hosts", lines))
        print(f"\n{wanted.curve}")
    for series in made:
        print("\n" + "\n".join(deployments.table(series, (OVERWEAVE,))))
    _write(wanted.json, {"version": 1, "kind": "curve", "fleets": [series.as_data() for series in made]})
    return 1 if any(series.failed for series in made) else 0


def _soak(wanted: argparse.Namespace) -> int:
    hosts = (wanted.hosts or (25,))[0]
    made = soak.soak(wanted.soak, hosts, wanted.subnet, _tell)
    print("\n" + "\n".join(soak.summary(made)))
    _write(wanted.json, {"version": 1, "kind": "soak", "hosts": hosts, "rounds": [vars(its) for its in made]})
    return 1 if any(its.why for its in made) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
