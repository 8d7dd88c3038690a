"""A lab as an inventory: what a deployment has to know to work on its hosts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path


def inventory(
    *,
    hosts: Mapping[str, str],
    key: Path,
    known_hosts: Path,
    store: str,
    probe: str,
    archives: Mapping[str, Path],
) -> str:
    """Inventory text, YAML, for hosts given as name and address, and images given as name and archive.

    ``store`` and ``probe`` are images of these, ``store`` "" where there is none."""
    lines = [
        f"ssh: {{user: root, key: {_text(key)}, known_hosts: {_text(known_hosts)}}}",
        "hosts:",
        *(f"  {name}: {{address: {address}}}" for name, address in hosts.items()),
    ]
    return "\n".join(lines) + "\n" + images(store=store, probe=probe, archives=archives)


def images(*, store: str, probe: str, archives: Mapping[str, Path]) -> str:
    """The part of `inventory` that names images."""
    lines = [
        *([f"store: {{kind: {store.partition(':')[0]}, image: {_text(store)}}}"] if store else []),
        "images:",
        f"  probe: {_text(probe)}",
        "  archives:",
        *(f"    {_text(name)}: {_text(path)}" for name, path in archives.items()),
    ]
    return "\n".join(lines) + "\n"


def known_hosts(hosts: Mapping[str, tuple[str, str]]) -> str:
    """known_hosts text: each host's key under its address and its name (name -> (address, key))."""
    return "".join(f"{address},{name} {key}\n" for name, (address, key) in hosts.items())


def etc_hosts(hosts: Mapping[str, str]) -> str:
    """/etc/hosts of every host (name -> address)."""
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
    return "\n".join([*lines, *(f"{address} {name}" for name, address in hosts.items())]) + "\n"


def _text(value: object) -> str:
    """JSON's strings are YAML's too, whatever is in them."""
    return json.dumps(str(value), ensure_ascii=False)
