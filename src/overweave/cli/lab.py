"""Tasks of the lab: real hosts on this one machine, to try, test and break things."""

from __future__ import annotations

import sys
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path

from invoke.exceptions import Exit
from rich.table import Table

from overweave.adapters.vagrant import add_box
from overweave.errors import UsageError
from overweave.lab import Lab, LabHost, faults
from overweave.lab.box import ensure
from overweave.lab.box_recipe import BOXES
from overweave.lab.recipe import DEFAULT, RECIPES
from overweave.report import text

from .executor import FleetContext, cluster_task
from .run import Progress

NAME = {"name": "of the lab; several can stand side by side (default: lab)"}


def inventory_path(name: str) -> Path:
    """Where a lab's inventory goes: inventory/lab.yml for the default lab, else inventory/lab-NAME.yml."""
    return Path("inventory") / ("lab.yml" if name == "lab" else f"lab-{name}.yml")


@cluster_task(
    help=NAME
    | {
        "engine": f"{', '.join(RECIPES)}; several with commas, which hosts take in turn (default: {DEFAULT})",
        "hosts": "how many (default: as many as there are, else 3, or one for each engine)",
        "subnet": "IPv4 range of its network (default: the next free one of 10.96.0.0/16)",
    },
    iterable=["engine"],
)
def up(
    c: FleetContext,
    hosts: int = 0,
    name: str = "lab",
    subnet: str | None = None,
    engine: list[str] | None = None,
) -> None:
    """
    Boot real hosts (Debian, systemd, sshd, Docker) on this machine.

    Needs root and Linux. Writes inventory/lab.yml, which the other tasks then use by themselves.
    Debian 11 has Docker 20.10 with a cluster store in Consul, Debian 12 the same with etcd alone, Debian 13
    has Docker 26 without a cluster store.

    Example: fab lab.up --hosts 3
    """
    progress = Progress()
    engines = [it.strip() for words in engine or () for it in words.split(",")]
    lab = Lab.up(name, hosts or None, subnet, engines, progress=lambda what: progress("", what))
    path = inventory_path(name)
    path.parent.mkdir(exist_ok=True)
    lab.write_inventory(path)
    progress("", f"{len(lab.hosts)} hosts are up; their inventory is {path}")
    host_list = ",".join(host.name for host in lab.hosts[:3])
    if name != "lab":
        text.console().print(f"for all that follows: export OVERWEAVE_INVENTORY={path}")
    text.console().print(f"next: fab deploy-overlay -H {host_list}")


@cluster_task(name="list")
def list_(c: FleetContext) -> None:
    """
    Show all labs and their hosts.

    Example: fab lab.list
    """
    labs = Lab.all()
    if not labs:
        text.console().print("no lab is up; `fab lab.up --hosts 3` makes one")
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("lab", "host", "engine", "address", "power"):
        table.add_column(column)
    for lab in labs:
        for host in lab.hosts:
            table.add_row(lab.name, host.name, host.engine, host.address, "on" if host.running else "OFF")
    text.console().print(table)


@cluster_task(name="run", help=NAME | {"host": "of the lab"}, positional=["host"])
def run_(c: FleetContext, host: str, name: str = "lab") -> None:
    """
    Run a command as root on a lab host: lab.run HOST -- CMD.

    Its exit code becomes that of this command.

    Example: fab lab.run host1 -- docker ps
    """
    if not c.remainder:
        raise UsageError("no command was given", hint="write it after two dashes: lab.run host1 -- docker ps")
    result = Lab.load(name).host(host).run(("sh", "-c", c.remainder))
    sys.stdout.write(result.stdout)
    sys.stderr.write(result.stderr)
    if result.status:
        raise Exit(code=result.status)


@cluster_task(help=NAME)
def down(c: FleetContext, name: str = "lab") -> None:
    """
    Remove a lab and everything it made on this machine.

    Example: fab lab.down
    """
    progress = Progress()
    Lab.load(name).down(lambda what: progress("", what))
    inventory_path(name).unlink(missing_ok=True)


@cluster_task(
    positional=["suite"],
    help={
        "suite": f"of Debian: {', '.join(BOXES)}",
        "mirror": "address of a mirror of Debian, of which the box has the suite without its updates",
    },
)
def box(c: FleetContext, suite: str, mirror: str = "") -> None:
    """
    Build a Vagrant box for libvirt from Debian's packages, and add it: lab.box SUITE.

    Needs root and Linux on amd64, and a mirror of Debian, but nothing else of the Internet. A box that was
    built of this recipe is kept; its container images and an inventory that names them are kept beside it.

    Example: fab lab.box bullseye
    """
    progress = Progress()
    made, new = ensure(suite, lambda what: progress("", what), mirror)
    progress("", f"adding {made.name} {made.version} to the boxes of Vagrant")
    added = add_box(made.name, made.version, made.catalog)
    console = text.console()
    if not (new or added):
        console.print(f"nothing to do: {made.name} {made.version} is built and added")
    console.print(
        f"next: (cd vagrant && OVERWEAVE_BOX={made.name} vagrant up --provider=libvirt)\n"
        f"      fab deploy-overlay --vagrant --inventory {made.inventory}"
    )


def _port(text: str) -> tuple[str, int]:
    protocol, _, port = text.partition("/")
    if protocol not in ("tcp", "udp") or not port.isdigit():
        raise UsageError(f"'{text}' is not a port", hint="write it as udp/4789 or tcp/7946")
    return protocol, int(port)


def _address(text: str, lab: Lab) -> str:
    """Of a host of the lab, or as it is given."""
    known = {host.name: host.address for host in lab.hosts}
    try:
        return str(IPv4Address(known.get(text.strip(), text.strip())))
    except ValueError:
        raise UsageError(
            f"'{text}' is neither an address nor a host of the lab", hint="`fab lab.list` shows both"
        ) from None


@cluster_task(
    name="fault",
    help=NAME
    | {
        "host": "of the lab",
        "kill-engine": "SIGKILL the engine: systemd starts it again",
        "power-off": "at once, without a sync",
        "power-on": "boot it again",
        "drop": "all packets from and to a port, as in udp/4789",
        "peer": "with --drop: only those from and to this host or address",
        "cut": "drop all from and to this host or address, or several with commas",
        "loss": "per cent of the packets that leave the host",
        "delay": "of the packets that leave the host, in milliseconds",
        "mtu": "of the host's eth0, in bytes",
        "clear": "undo drops, cuts, loss, delay and MTU",
    },
    positional=["host"],
)
def fault(
    c: FleetContext,
    host: str,
    name: str = "lab",
    kill_engine: bool = False,
    power_off: bool = False,
    power_on: bool = False,
    drop: str | None = None,
    peer: str | None = None,
    cut: str | None = None,
    loss: float = 0.0,
    delay: float = 0.0,
    mtu: int = 0,
    clear: bool = False,
) -> None:
    """
    Break a lab host in ways that can be undone.

    Several at once, and one after the other: each stays until --clear, or until the host's power was off.

    Example: fab lab.fault host1 --drop udp/4789
    """
    lab = Lab.load(name)
    target = lab.host(host)
    done = []

    def do(wanted: bool, what: str, act: Callable[[LabHost], None]) -> None:
        if wanted:
            act(target)
            done.append(what)

    do(clear, "cleared", faults.clear)
    do(power_on, "powered on", faults.power_on)
    do(kill_engine, "engine killed", faults.kill_engine)
    if drop:
        protocol, port = _port(drop)
        only = _address(peer, lab) if peer else None
        between = f" from and to {only}" if only else ""
        do(True, f"{drop} dropped{between}", lambda it: faults.drop(it, protocol, port, only))
    if cut:
        peers = [_address(word, lab) for word in cut.split(",")]
        do(True, f"cut off from {', '.join(peers)}", lambda it: faults.cut(it, *peers))
    slow = bool(loss or delay)
    link = f"loses {loss:g} % of its packets, delays them by {delay:g} ms"
    do(slow, link, lambda it: faults.netem(it, loss_percent=loss, delay_ms=delay))
    do(bool(mtu), f"MTU {mtu}", lambda it: faults.mtu(it, mtu))
    do(power_off, "powered off", faults.power_off)
    if not done:
        raise UsageError("no fault was named", hint="`fab --help lab.fault` lists them")
    text.console().print(f"{host}: {', '.join(done)}")
    if undo := "--power-on" if power_off else "--clear" if drop or cut or slow or mtu else "":
        text.console().print(f"undo: fab lab.fault {host} {undo}{'' if name == 'lab' else f' --name {name}'}")
