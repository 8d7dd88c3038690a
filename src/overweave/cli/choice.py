"""From the command line to a fleet: which inventory, which hosts of it, what the options change."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from overweave import inventory
from overweave.adapters import vagrant
from overweave.errors import InventoryError, UsageError
from overweave.inventory_base import parse_subnet
from overweave.model import ALL_AT_ONCE, AUTO, CONSUL, ETCD, IMAGES, SWARM, Batch, Fleet, Host

VARIABLE = "OVERWEAVE_INVENTORY"
LAB = Path("inventory/lab.yml")
NAMED_LABS = "inventory/lab-*.yml"
"""Where `fab lab.up --name` writes: which of several labs is meant, somebody has to say."""
STDIN = "-"
VAGRANT = "vagrant:"
"""In the place of an inventory: the machines of vagrant/, with what the inventory behind it wants of them."""
MACHINES = Path("vagrant/Vagrantfile")
PRIVATE = "eth1"
"""The interface that the Vagrantfile gives machines for each other. By eth0 Vagrant manages them: behind NAT,
with VirtualBox under one address for all."""


def fleet(
    hosts: Sequence[str],
    file: str | None = None,
    *,
    may_be_lab: bool = True,
    network: str | None = None,
    subnet: str | None = None,
    mtu: int = 0,
    backend: str = "",
    without: str = "",
) -> Fleet:
    """The fleet that a command is about.

    The inventory is ``file``, else the one that ``OVERWEAVE_INVENTORY`` names, else that of a running
    lab, if ``may_be_lab`` and ``hosts`` has one of its hosts or none at all. ``without``: names or
    addresses of hosts that are left out, with commas.

    Raises `UsageError`, `InventoryError` and what `vagrant.reach` raises.
    """
    given = file or os.environ.get(VARIABLE)
    lab = _lab_inventory() if may_be_lab and not given else None
    known = _load(given, hosts, asked=bool(file)) if given else inventory.load(lab) if lab else None
    if known and lab and hosts and not _any_known(hosts, known):
        known = None
    if not hosts and known is None and may_be_lab and (labs := sorted(Path().glob(NAMED_LABS))):
        raise UsageError(
            "no hosts",
            hint="give them with -H host1,host2, or take those of a lab: "
            + " or ".join(f"--inventory {path}" for path in labs),
        )
    chosen = inventory.choose(hosts, known)
    if out := {word.strip() for word in without.split(",")} - {""}:
        left = tuple(host for host in chosen.hosts if not {host.name, host.access.address} & out)
        if not left:
            raise UsageError(f"there is no host but {without}", hint="name those that are left, too")
        chosen = replace(chosen, hosts=left)
    changes: dict[str, Any] = {}
    if network is not None:
        changes["name"] = network
    if subnet is not None:
        try:
            changes["subnet"] = parse_subnet(subnet)
        except ValueError as e:
            raise UsageError(f"--subnet: {e}", hint="as in --subnet 10.211.0.0/16") from e
    if mtu:
        changes["mtu"] = inventory.parse_mtu(mtu)
    if backend not in ("", AUTO, CONSUL, ETCD, SWARM):
        hint = f"take {AUTO}, {CONSUL}, {ETCD} or {SWARM}"
        raise UsageError(f"--backend: there is no '{backend}'", hint=hint)
    if backend in IMAGES and chosen.store.decided and chosen.store.kind != backend:
        raise UsageError(
            f"--backend is {backend}, and the inventory's store is one of {chosen.store.kind}",
            hint="leave the option out, or change `store: kind:`",
        )
    chosen = replace(chosen, network=replace(chosen.network, **changes), backend=backend or chosen.backend)
    inventory.refuse_encrypted(chosen)
    return chosen


def with_host(
    hosts: Sequence[str], name: str, file: str | None = None, *, may_be_lab: bool = True, **changes: Any
) -> tuple[Fleet, Host | None]:
    """`fleet`, and the host of it that has a name or an address; None where there is none."""
    found = fleet(hosts, file, may_be_lab=may_be_lab, **changes)
    return found, next((host for host in found.hosts if name in (host.name, host.access.address)), None)


def file_of(hosts: Sequence[str], file: str | None = None, *, may_be_lab: bool = True) -> Path | None:
    """The inventory that `fleet` reads, None where it needs none, or it is no file."""
    given = file or os.environ.get(VARIABLE)
    if given == STDIN:
        return None
    if given and given.startswith(VAGRANT):
        given = given.removeprefix(VAGRANT)
        return Path(given).expanduser() if given else None
    if given:
        return Path(given).expanduser()
    return _lab_inventory() if may_be_lab and not hosts else None


def batch(text: str) -> Batch:
    """``--batch``: ``3`` hosts at once, or ``25%`` of the fleet; "" is all at once.

    Raises `UsageError`.
    """
    number, percent = text.removesuffix("%"), text.endswith("%")
    if not text:
        return ALL_AT_ONCE
    if not number.isascii() or not number.isdigit() or not 1 <= int(number) <= (100 if percent else 10_000):
        raise UsageError(
            f"--batch: '{text}' is neither a number of hosts nor a share of them",
            hint="as in --batch 1 or --batch 25%",
        )
    return Batch(percent=int(number)) if percent else Batch(count=int(number))


def _load(given: str, hosts: Sequence[str], *, asked: bool) -> Fleet:
    """``asked``: an option names it, else the variable does."""
    if given.startswith(VAGRANT):
        return _vagrant(given.removeprefix(VAGRANT), [inventory.parse_host(host).name for host in hosts])
    if given != STDIN:
        path = Path(given).expanduser()
        if not asked and not path.exists():
            raise InventoryError(
                "",
                f"{path}: no such inventory",
                hint=f"{VARIABLE} in the environment names it: set it anew, or `unset {VARIABLE}`",
            )
        return inventory.load(path)
    try:
        return inventory.parse_listed(_standard_input())
    except InventoryError as e:
        raise InventoryError("", f"standard input: {e.message}", hint=e.hint) from e


def _vagrant(file: str, names: Sequence[str]) -> Fleet:
    found = _above(MACHINES)
    if found is None:
        raise UsageError(
            f"--vagrant: there is no {MACHINES} here or above", hint="run it in a checkout of Overweave"
        )
    reached = vagrant.reach(found.parent, names)
    made = inventory.load_beside(Path(file).expanduser(), reached) if file else inventory.of_hosts(reached)
    machines = (
        replace(host, advertise=host.advertise or PRIVATE, access=replace(host.access, key_learnt=True))
        for host in made.hosts
    )
    return replace(made, hosts=tuple(machines))


@cache
def _standard_input() -> str:
    """Once: there is no second time."""
    return sys.stdin.read(inventory.SIZE_LIMIT + 1)


def _any_known(hosts: Sequence[str], known: Fleet) -> bool:
    names = {inventory.parse_host(host).name for host in hosts}
    return any(host.name in names or host.access.address in names for host in known.hosts)


def _lab_inventory() -> Path | None:
    return _above(LAB)


def _above(file: Path) -> Path | None:
    here = Path.cwd()
    return next((path for folder in (here, *here.parents) if (path := folder / file).is_file()), None)
