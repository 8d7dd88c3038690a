"""Median time of a clean deployment on lab hosts: `fab deploy-overlay` next to a bare ssh script.

The two take turns in one run, each time on hosts that were just booted, so that whatever else this
machine does weighs on both alike. The time is that of the whole process: it starts, connects, deploys,
proves, and ends.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from overweave import inventory
from overweave.lab import Lab
from overweave.model import Fleet

ROOT = Path(__file__).parents[1]
NAME = "bench"
TARGET = 1.5
SETTLE = 3
"""Seconds after boot, so that what a host still starts does not weigh on whoever comes first."""


def overweave(fleet: Fleet, file: Path) -> list[str]:
    return [str(Path(sys.executable).with_name("fab")), "deploy-overlay", "--inventory", str(file)]


def script(fleet: Fleet, file: Path) -> list[str]:
    access = fleet.store_host.access
    images = (fleet.store.image, fleet.images.probe)
    words = [w for image in images for w in (image, str(fleet.images.archives[image].path))]
    addresses = [host.access.address for host in fleet.hosts]
    return [
        str(ROOT / "benchmarks/bare_ssh.sh"),
        str(access.key),
        str(access.known_hosts),
        *words,
        *addresses,
    ]


TOOLS = {"overweave": overweave, "script": script}


def measure(tool: str, hosts: int, subnet: str, anchors: bool) -> float | None:
    """Seconds that ``tool`` took on a lab of its own; None where it failed, and then its words are shown."""
    lab = Lab.up(NAME, hosts, subnet=subnet)
    try:
        file = lab.spec.folder / "inventory.yml"
        lab.write_inventory(file)
        words = TOOLS[tool](inventory.load(file), file)
        time.sleep(SETTLE)
        start = time.monotonic()
        done = subprocess.run(
            words,
            cwd=ROOT,
            env=os.environ | {"ANCHORS": "yes" if anchors else ""},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
        )
        seconds = time.monotonic() - start
    finally:
        lab.down()
    if done.returncode == 0:
        return seconds
    print(f"{tool} failed with {done.returncode}:\n{done.stdout}{done.stderr}", file=sys.stderr)
    return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="of each (default: 5)")
    parser.add_argument("--hosts", type=int, default=3, help="in the lab (default: 3)")
    parser.add_argument("--subnet", default="10.98.3.0/24", help="of the lab (default: 10.98.3.0/24)")
    parser.add_argument("--anchors", action="store_true", help="the script leaves a container per host, too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there, too")
    wanted = parser.parse_args()
    if NAME in {lab.name for lab in Lab.all()}:
        parser.error(f"a lab '{NAME}' is up: `fab lab.down --name {NAME}` first")

    times: dict[str, list[float | None]] = {tool: [] for tool in TOOLS}
    for run in range(1, wanted.runs + 1):
        for tool, its in times.items():
            load = os.getloadavg()[0]
            its.append(measure(tool, wanted.hosts, wanted.subnet, wanted.anchors))
            print(f"run {run}: {tool:9} {_seconds(its[-1])}  (load before: {load:.1f})", flush=True)

    good = {tool: [t for t in its if t is not None] for tool, its in times.items()}
    medians = {tool: median(its) if its else None for tool, its in good.items()}
    ours, bare = medians["overweave"], medians["script"]
    ratio = ours / bare if ours and bare else None
    print(f"\nclean deployment on {wanted.hosts} hosts, median of {wanted.runs}, in seconds")
    for tool, its in times.items():
        print(f"  {tool:9} {_seconds(medians[tool])}  ({' '.join(_seconds(t) for t in its)})")
    print(f"  ratio     {f'{ratio:6.2f}' if ratio else '     -'}  (target: at most {TARGET})")
    if wanted.json:
        result = {
            "hosts": wanted.hosts,
            "runs": wanted.runs,
            "anchors": wanted.anchors,
            "seconds": times,
            "median": medians,
            "ratio": ratio,
            "target": TARGET,
        }
        wanted.json.write_text(json.dumps(result, indent=2) + "\n")
    return 0 if len(good["overweave"]) == wanted.runs else 1


def _seconds(value: float | None) -> str:
    return "failed" if value is None else f"{value:6.2f}"


if __name__ == "__main__":
    sys.exit(main())
