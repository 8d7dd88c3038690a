"""The engine's configuration: would flags of ours meet settings of somebody else?"""

from __future__ import annotations

from overweave.facts.absent import Absent
from overweave.facts.fleet import FleetFacts
from overweave.facts.host import HostFacts
from overweave.model import Fleet

from .finding import Finding, error

KEYS = ("cluster-store", "cluster-advertise", "cluster-store-opts")


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
    elsewhere = f"{its.unit.exec_start} {its.unit.environment}"
    if "--cluster-" in elsewhere:
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
