"""The engine's configuration: would flags of ours meet settings of somebody else?"""

from __future__ import annotations

import re
import shlex

from overweave.facts.absent import Absent
from overweave.facts.fleet import FleetFacts
from overweave.facts.host import HostFacts
from overweave.facts.unit import Unit
from overweave.model import Fleet
from overweave.printable import one_line

from .finding import Finding, error

KEYS = ("cluster-store", "cluster-advertise", "cluster-store-opts")
MERGED = "runtimes"
"""Given in both places it is put together (docker/docker, skipDuplicates in daemon/config)."""
SHORT = {
    "-H": "host",
    "-D": "debug",
    "-l": "log-level",
    "-s": "storage-driver",
    "-G": "group",
    "-p": "pidfile",
    "-b": "bridge",
    "-g": "graph",
}
LISTED = {
    "add-runtime": "runtimes",
    "authorization-plugin": "authorization-plugins",
    "cluster-store-opt": "cluster-store-opts",
    "default-address-pool": "default-address-pools",
    "default-ulimit": "default-ulimits",
    "dns-opt": "dns-opts",
    "exec-opt": "exec-opts",
    "graph": "data-root",
    "host": "hosts",
    "insecure-registry": "insecure-registries",
    "label": "labels",
    "log-opt": "log-opts",
    "node-generic-resource": "node-generic-resources",
    "registry-mirror": "registry-mirrors",
    "storage-opt": "storage-opts",
}
"""Flags that may be given again and again, and the key of daemon.json that has all of their values."""


def configurations(fleet: Fleet, facts: FleetFacts) -> list[Finding]:
    return [finding for name in fleet.names for finding in _of_configuration(facts.hosts[name])]


def _of_configuration(its: HostFacts) -> list[Finding]:
    if isinstance(its.unit, Absent):
        return []
    if its.daemon_json.error:
        return [
            error(
                "configuration.daemon-json",
                its.daemon_json.error,
                host=its.name,
                fix="mend it before the engine restarts",
            )
        ]
    found = [
        error(
            "configuration.daemon-json",
            f"{key} is set in /etc/docker/daemon.json",
            matters="given as a flag too, the engine would not start",
            host=its.name,
            fix=f"remove {key} from /etc/docker/daemon.json",
        )
        for key in KEYS
        if key in its.daemon_json.settings
    ]
    found += [
        error(
            "configuration.conflict",
            f"{one_line(key, 60)} is given both as a flag and in /etc/docker/daemon.json",
            matters="the engine would not start again (moby/moby#25471)",
            fix=f"take it out of one of them: see `systemctl cat docker` and {one_line(key, 60)} in "
            "/etc/docker/daemon.json",
            host=its.name,
        )
        for key in sorted(its.daemon_json.settings.keys() & flags(its.unit))
        if key not in KEYS and key != MERGED
    ]
    if "--cluster-" in its.unit.exec_start or any(key.startswith("cluster-") for key in flags(its.unit)):
        found.append(
            error(
                "configuration.flags",
                "docker.service or its environment file sets --cluster- flags that Overweave did not write",
                host=its.name,
                fix="remove them: see `systemctl cat docker` and /etc/default/docker",
            )
        )
    if not its.unit.exec_start:
        found.append(
            error(
                "configuration.unit",
                "docker.service has no ExecStart",
                host=its.name,
                fix="see `systemctl cat docker`",
            )
        )
    if its.unit.overridden_by:
        found.append(
            error(
                "configuration.unit",
                f"{its.unit.overridden_by} sets ExecStart after Overweave's drop-in and would win",
                host=its.name,
                fix="give it a name that sorts before 90-overweave.conf",
            )
        )
    return found


def flags(unit: Unit) -> set[str]:
    """The flags of ExecStart, as the keys that they would have in daemon.json."""
    variables = {}
    for line in unit.environment.splitlines():
        key, _, value = line.strip().partition("=")
        variables[key] = " ".join(_words(value))
    found = set()
    for word in _words(unit.exec_start)[1:]:
        name = re.fullmatch(r"\$\{?(\w+)\}?", word)
        for flag in _words(variables.get(name[1], "")) if name else [word]:
            long = flag.startswith("--")
            if key := flag[2:].partition("=")[0] if long else SHORT.get(flag[:2], ""):
                found |= {key, LISTED.get(key, key)}
    return found


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()
