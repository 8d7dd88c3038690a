"""The container that keeps a host in the overlay. Pure.

When the last container on a host leaves an overlay, engines from 17.12 to 20.10 give the thread that
watched the overlay's namespace back to their pool without leaving that namespace (libnetwork,
``watchMiss``). Whatever the engine later dials from that thread fails with "network is unreachable":
the store, the gossip, a registry; names stop resolving on that host (moby#39036, moby#39372,
libnetwork#1838; measured on 20.10.5: one more such thread with every container that came and went
alone, none while another stayed). So one container of a megabyte stays on every host, and the probes
of a proof do no harm.
"""

from __future__ import annotations

from typing import Any

from .facts.absent import Absent
from .facts.engine import Container, Engine
from .facts.fleet import FleetFacts
from .model import ANCHOR_LABEL, SPEC_LABEL, Fleet, container_name, spec_digest
from .steps import RemoveContainer, RunContainer


def name(fleet: Fleet, host: str) -> str:
    return container_name(f"overweave-anchor-{fleet.network.name}", host)


def spec(fleet: Fleet) -> dict[str, Any]:
    """The body of ``POST /containers/create``. SIGKILL: a shell as process 1 would hold up the engine's
    own stop for 10 s."""
    network = fleet.network.name
    body: dict[str, Any] = {
        "Image": fleet.images.probe,
        "Entrypoint": ["sh", "-c"],
        "Cmd": ["while :; do sleep 86400; done"],
        "StopSignal": "SIGKILL",
        "HostConfig": {"NetworkMode": network, "RestartPolicy": {"Name": "always"}},
        "NetworkingConfig": {"EndpointsConfig": {network: {}}},
    }
    return body | {"Labels": {SPEC_LABEL: spec_digest(body), ANCHOR_LABEL: network}}


def there(fleet: Fleet, engine: Engine | Absent) -> tuple[Container, ...]:
    """The network's anchors on a host, whatever they are called."""
    containers = engine.containers if isinstance(engine, Engine) else ()
    return tuple(c for c in containers if c.labels.get(ANCHOR_LABEL) == fleet.network.name)


def anchors(
    fleet: Fleet, facts: FleetFacts, *, gone: bool, anew: bool
) -> list[RemoveContainer | RunContainer]:
    """One on each host: see above. One that is stopped is made anew, its network may be another.

    ``gone``: earlier steps remove those that are there; ``anew``: the network is made anew.
    """
    steps: list[RemoveContainer | RunContainer] = []
    its_spec = spec(fleet)
    for host in fleet.names:
        old = () if gone else there(fleet, facts.hosts[host].engine)
        good = [c for c in old if c.running and c.labels.get(SPEC_LABEL) == its_spec["Labels"][SPEC_LABEL]]
        keep = [] if anew else good[:1]
        own = name(fleet, host)
        # A name of an earlier inventory is as good, but one anchor is enough.
        steps += [
            RemoveContainer(host, "one anchor is enough" if keep else "it is stopped or outdated", c.name)
            for c in old
            if c not in keep and (keep or c.name != own)
        ]
        if not keep:
            replace = any(c.name == own for c in old)
            why = "it is stopped or outdated" if replace else "it keeps the host in the overlay"
            steps.append(RunContainer(host, why, own, its_spec, replace=replace))
    return steps
