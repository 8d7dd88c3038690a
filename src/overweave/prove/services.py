"""Services that are there for one proof, on every node of the swarm, and what they answer."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any

from overweave.command import change_script
from overweave.errors import ConnectionProblem, DeadlineExceeded
from overweave.facts.typed import objects, text, whole
from overweave.fleet import Cancel, each
from overweave.model import PROBE_LABEL
from overweave.ports import Clock, Engine, Json, Progress, Reader, Writer
from overweave.printable import one_line
from overweave.render import script
from overweave.waiting import wait_until

from .busybox import EXEC
from .matrix import Verdict, neighbours
from .probes import LIFETIME
from .service_matrix import HOST_PORT, KINDS, MESH_PORT, ROBIN, VIRTUAL, of_ports, of_robin, of_virtual

PORT = 7000
"""Of the replicas, in their own network namespaces."""
RUNNING_SECONDS = 60.0
"""From the services' creation to a replica on every host: 3-5 s on three idle hosts."""
GONE_SECONDS = 30.0
PATIENCE = 3
"""Seconds that a connection may take to answer."""
MOST = 64
"""Connections to a virtual address, twice as many as replicas: the kernel gives them to those in turn."""
CLIENT = script("service-checks.sh")


@dataclass
class Running:
    """``nodes``: hosts by the answer of their replica, which is the node's id. ``ports``: where each host
    publishes its own replica; ``mesh``: where all of them publish any."""

    names: tuple[str, str]
    nodes: Mapping[str, str]
    ports: dict[str, int] = field(default_factory=dict)
    mesh: int = 0


def spec(name: str, image: str, network_id: str, run: str, *, mode: str) -> dict[str, Any]:
    """The body of ``POST /services/create``: a replica on every node, which answers with the node's id and
    ends by itself, should nobody be left to remove it. ``mode``: vip, published by the mesh, or dnsrr, by
    each host."""
    published = {"Protocol": "tcp", "TargetPort": PORT, "PublishMode": "ingress" if mode == "vip" else "host"}
    return {
        "Name": name,
        "Labels": {PROBE_LABEL: run},
        "TaskTemplate": {
            "ContainerSpec": {
                "Image": image,
                "Command": ["sh", "-c", f"nc -ll -p {PORT} -e hostname & exec sleep {LIFETIME}"],
                "Labels": {PROBE_LABEL: run},
                "Hostname": "{{.Node.ID}}",
                "StopGracePeriod": 0,
            },
            "RestartPolicy": {"Condition": "none"},
            "Networks": [{"Target": network_id}],
        },
        "Mode": {"Global": {}},
        "EndpointSpec": {"Mode": mode, "Ports": [published]},
    }


@contextlib.contextmanager
def running(
    writers: Mapping[str, Writer],
    manager: str,
    nodes: Mapping[str, str],
    *,
    image: str,
    network_id: str,
    clock: Clock,
    cancel: Cancel,
    progress: Progress,
) -> Iterator[Running]:
    """A service of each mode with a replica on all hosts, for the length of a block. ``manager``: the host
    whose engine is asked for that; ``nodes``: hosts by the id of their node. What a killed run
    left is removed before.

    Raises `EngineError` where the manager refuses, and `DeadlineExceeded` where a replica does not start.
    """
    engine = writers[manager].engine
    for its in engine.services():
        if PROBE_LABEL in ((its.get("Spec") or {}).get("Labels") or {}):
            engine.remove_service(text(its.get("ID")))
    run = token_hex(4)
    made: list[str] = []
    # Taken away in every case, after Ctrl-C too.
    try:
        names = (f"overweave-probe-{run}-robin", f"overweave-probe-{run}-virtual")
        for name, mode in zip(names, ("dnsrr", "vip"), strict=True):
            made.append(engine.create_service(spec(name, image, network_id, run, mode=mode)))
        progress("", f"services: a replica of 2 on each of {len(nodes)} hosts")
        found = Running(names, nodes)
        _await_replicas(engine, made, found, manager, clock)
        yield found
    finally:
        with cancel.lifted():
            for id_ in made:
                engine.remove_service(id_)
            # The nodes hear of that one by one, and a teardown would find the image used.
            each(writers, lambda name: _await_end(writers[name].engine, run, clock), cancel=cancel)


def _await_replicas(engine: Engine, made: list[str], found: Running, host: str, clock: Clock) -> None:
    state = ""

    def there() -> bool:
        nonlocal state
        waiting: dict[str, str] = {}
        for number, id_ in enumerate(made):
            tasks = {text(task.get("NodeID") or ""): task for task in engine.tasks(id_)}
            for node, name in found.nodes.items():
                task = tasks.get(node) or {}
                status = task.get("Status") or {}
                if status.get("State") != "running":
                    why = one_line(status.get("Err") or status.get("State") or "no task yet", 200)
                    waiting.setdefault(name, why)
                elif number == 0:
                    found.ports[name] = _port((status.get("PortStatus") or {}).get("Ports"))
        found.mesh = _port((engine.service(made[1]).get("Endpoint") or {}).get("Ports"))
        state = "; ".join(f"{name}: {why}" for name, why in sorted(waiting.items()))
        return not waiting

    try:
        wait_until(there, what="replicas run", seconds=RUNNING_SECONDS, clock=clock, host=host)
    except DeadlineExceeded as e:
        e.message = f"a replica does not run after {RUNNING_SECONDS:g} s: {state}"
        e.hint = "see `docker service ps` on a manager: is the image on every host, is every node active?"
        raise


def _await_end(engine: Engine, run: str, clock: Clock) -> None:
    def gone() -> bool:
        return not any((its.get("Labels") or {}).get(PROBE_LABEL) == run for its in engine.containers())

    wait_until(gone, what="replicas end", seconds=GONE_SECONDS, clock=clock)


def _port(raw: Json) -> int:
    return next((whole(its.get("PublishedPort") or 0) for its in objects(raw)), 0)


def ask(
    writers: Mapping[str, Writer],
    stands: Mapping[str, str],
    vteps: Mapping[str, str],
    services: Running,
    *,
    cancel: Cancel,
) -> dict[str, dict[str, Verdict]]:
    """Every way from every host: the names from the container that stands there, the ports of all hosts from
    the host itself. ``vteps``: the hosts' own addresses."""

    nodes = services.nodes
    times = min(2 * len(nodes), MOST)

    def check(own: str) -> dict[str, Verdict]:
        robin, virtual = services.names
        words = (robin, "1", virtual, str(times))
        done = writers[own].do(
            change_script(f"{EXEC} || :", stands[own], CLIENT, str(PORT), str(PATIENCE), *words)
        )
        near = (own, *neighbours(tuple(vteps), own))
        ports = {name: (vteps[name], services.ports.get(name, 0)) for name in near}
        mesh = {name: (vteps[name], services.mesh) for name in near}
        return {
            ROBIN: of_robin(_answers(done.stdout, robin), nodes),
            VIRTUAL: of_virtual(_answers(done.stdout, virtual), nodes, least=min(len(nodes), times // 2)),
            HOST_PORT: of_ports(_hear(writers[own], ports, cancel), nodes, own=True),
            MESH_PORT: of_ports(_hear(writers[own], mesh, cancel), nodes, own=False),
        }

    outcome = each(writers, check, cancel=cancel)
    lost = {
        name: dict.fromkeys(KINDS, Verdict(False, one_line(e.message, 200)))
        for name, e in outcome.errors.items()
    }
    return outcome.values | lost


def _answers(out: str, service: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for line in out.splitlines():
        name, _, rest = line.partition(" ")
        address, _, word = rest.partition(" ")
        if name == service:
            found[address] = (*found.get(address, ()), word.strip())
    return found


def _hear(reader: Reader, places: Mapping[str, tuple[str, int]], cancel: Cancel) -> dict[str, str]:
    """What answers at each of the addresses and ports when the host connects there, "" for nothing."""

    def hear(name: str) -> str:
        address, port = places[name]
        if not port:
            return ""
        try:
            with contextlib.closing(reader.stream(address, port)) as stream:
                stream.settimeout(PATIENCE)
                return stream.recv(100).decode("ascii", "replace").strip()
        except (ConnectionProblem, OSError, EOFError):
            return ""

    return each(places, hear, cancel=cancel).values
