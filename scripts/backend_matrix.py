"""Makes docs/backends.md: what carries an overlay on which engine, tried on two lab hosts of each.

As root: `python scripts/backend_matrix.py > FILE`, in about three minutes. Its lab goes again with it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

CHECKOUT = Path(__file__).parents[1]
FAB = Path(sys.executable).with_name("fab")
LAB = "matrix"
SUBNET = "10.97.91"
ENGINES = {"20.10-consul": "Debian 11", "20.10-etcd": "Debian 12", "26": "Debian 13"}
BACKENDS = ("consul", "etcd", "zookeeper", "swarm", "macvlan")
HEAD = """\
# What carries an overlay on which engine

Each cell is a deployment on two lab hosts with that engine, as its proof or its refusal ended. The page is
made by `python scripts/backend_matrix.py > docs/backends.md`, as root; a test on a fleet of all three holds
it to what `fab backends` says there. Seconds are those of the whole command, on two cores.

"""
TAIL = """
`zookeeper` and `macvlan` are no values of `backend:`. The first is refused as `store: kind:`
([decision 0014](decisions/0014-etcd.md)); the second is a network of `fab apply-networks`
([networks.md](networks.md)), which any engine has. `fab backends -H …` shows the same of your hosts, with the
reason for each that can't.
"""


def fab(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run((FAB, *words), cwd=CHECKOUT, capture_output=True, text=True, check=False)


def main() -> None:
    """Raises `RuntimeError` where the lab can't be made, or an overlay is not taken away again."""
    up = fab(
        *("lab.up", "--name", LAB, "--subnet", f"{SUBNET}.0/24", "--hosts", str(2 * len(ENGINES))),
        *("--engine", ",".join(ENGINES)),
    )
    if up.returncode:
        raise RuntimeError(up.stderr)
    try:
        print(HEAD + "\n".join(rows()) + "\n" + TAIL, end="")
    finally:
        fab("lab.down", "--name", LAB)


def rows() -> Iterator[str]:
    given = yaml.safe_load((CHECKOUT / f"inventory/lab-{LAB}.yml").read_text())
    pairs = {engine: (f"host{n}", f"host{n + len(ENGINES)}") for n, engine in enumerate(ENGINES, 1)}
    told = fab("backends", "--inventory", f"inventory/lab-{LAB}.yml", "--json", "-")
    versions = {host["host"]: host["engine"] for host in json.loads(told.stdout)["hosts"]}
    names = [f"Docker {versions[pairs[e][0]].partition('+')[0]} ({debian})" for e, debian in ENGINES.items()]
    yield f"| | {' | '.join(names)} |"
    yield "|---" * (len(names) + 1) + "|"
    for backend in BACKENDS:
        yield f"| `{backend}` | {' | '.join(cell(given, backend, pair) for pair in pairs.values())} |"


def cell(given: Mapping[str, Any], backend: str, hosts: tuple[str, str]) -> str:
    """Deploy, say how that ended, and take it away."""
    print(f"{backend} on {', '.join(hosts)}", file=sys.stderr)
    images = given["images"]["archives"]
    wanted = dict(given) | {"hosts": {name: given["hosts"][name] for name in hosts}, "store": {}}
    task = ["deploy-overlay", "--yes"]
    if backend == "macvlan":
        task = ["apply-networks", "--yes"]
        slots = {"subnet": f"{SUBNET}.0/24", "range": f"{SUBNET}.128/25", "slots": 4}
        wanted["networks"] = {"lan": {"driver": "macvlan", "parent": "eth0", "subnets": [slots]}}
    elif backend == "swarm":
        task += ["--backend", backend]
    else:
        image = next((name for name in images if name.startswith(f"{backend}:")), None)
        wanted["store"] = {"kind": backend, "image": image} if image else {"kind": backend}
        wanted["backend"] = backend if image else "auto"
    with tempfile.TemporaryDirectory() as folder:
        path, report = Path(folder, "inventory.yml"), Path(folder, "report.json")
        path.write_text(yaml.safe_dump(wanted))
        began = time.monotonic()
        ran = fab(*task, "--inventory", str(path), "--json", str(report))
        seconds = time.monotonic() - began
        if ran.returncode:
            return f"refused: {reason(ran.stderr)}"
        proof = json.loads(report.read_text())
        if not proof["green"]:
            raise RuntimeError(ran.stdout)
        if backend == "macvlan":
            path.write_text(yaml.safe_dump(wanted | {"networks": {}}))
            away = task
        else:
            away = ["destroy-overlay", "--yes"]
        ended = fab(*away, "--inventory", str(path))
        if ended.returncode:
            raise RuntimeError(ended.stderr)
    return f"proven, {seconds:.0f} s"


def reason(said: str) -> str:
    """The first line of an error, without whom it is about."""
    line = next(text for text in said.splitlines() if text.startswith("overweave: "))
    return line.removeprefix("overweave: ").partition(": ")[2]


if __name__ == "__main__":
    main()
