"""What an engine says of the swarm that it is in, and a manager of all its nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from overweave.command import query_script
from overweave.ports import EngineReader, Json, Reader
from overweave.printable import one_line

from .typed import objects, text, told_by_engine, whole

INACTIVE, LOCKED = "inactive", "locked"
READY, ACTIVE = "ready", "active"
REACHABLE = "reachable"


@dataclass(frozen=True)
class Member:
    """``state`` is the engine's own word: inactive, pending, active, error or locked; ``error`` is why.
    ``address``: what it advertises. ``remotes``: managers as it knows them, each ``address:port``. Only a
    manager knows the swarm's ``cluster`` id and the ``port`` of its VXLAN (UDP), 0 for the usual one."""

    state: str = INACTIVE
    node: str = ""
    address: str = ""
    manager: bool = False
    remotes: tuple[str, ...] = ()
    error: str = ""
    cluster: str = ""
    port: int = 0

    @property
    def there(self) -> bool:
        """Whether it is in a swarm, however that goes."""
        return self.state != INACTIVE

    @property
    def active(self) -> bool:
        return self.state == "active"


@dataclass(frozen=True)
class Node:
    """``state`` is ready, down, unknown or disconnected; ``manager`` reachable, unreachable or unknown, "" of
    a worker. ``authority``: who has made its certificate, and whom it trusts, in the engines' own words, as
    in `Cluster`; engines before 17.06 don't tell."""

    id: str
    name: str
    role: str
    availability: str
    state: str
    address: str
    manager: str = ""
    leader: bool = False
    version: int = 0
    spec: Mapping[str, Json] = field(default_factory=dict, compare=False)
    authority: str = ""

    @property
    def ready(self) -> bool:
        return self.state == READY and self.manager in ("", REACHABLE)


@dataclass(frozen=True)
class Cluster:
    """The swarm itself. ``authority``: whose certificates its nodes are to have; ``rotating``: they are on
    their way to those of another one, which it tells when all are there; ``external``: where certificates
    come from if not from the managers, "" for these. ``autolock``: managers that start wait for a key.
    ``spec`` is at ``version``."""

    version: int = 0
    spec: Mapping[str, Json] = field(default_factory=dict, compare=False)
    authority: str = ""
    rotating: bool = False
    external: str = ""
    autolock: bool = False


@dataclass(frozen=True)
class SwarmFacts:
    """All nodes by id, as one manager sees them; ``leader`` is a node's name, "" while there is none."""

    nodes: Mapping[str, Node]
    cluster: Cluster = Cluster()

    @property
    def leader(self) -> str:
        return next((node.name for node in self.nodes.values() if node.leader), "")


def parse_member(info: Mapping[str, Json]) -> Member:
    """Of the answer of ``GET /info``; engines before 1.12 say nothing there."""
    its = info.get("Swarm") or {}
    cluster = its.get("Cluster") or {}
    return Member(
        state=text(its.get("LocalNodeState") or INACTIVE),
        node=text(its.get("NodeID") or ""),
        address=text(its.get("NodeAddr") or ""),
        manager=its.get("ControlAvailable") is True,
        remotes=tuple(text(remote.get("Addr") or "") for remote in objects(its.get("RemoteManagers"))),
        error=one_line(its.get("Error") or ""),
        cluster=text(cluster.get("ID") or ""),
        port=whole(cluster.get("DataPathPort") or 0),
    )


def member(engine: EngineReader) -> Member:
    """Ask an engine how it is in its swarm. Raises `EngineError`, also where its answer makes no sense."""
    info = engine.info()
    with told_by_engine("what the engine says of its swarm makes no sense", "`docker info`"):
        return parse_member(info)


def locks(reader: Reader, root: str) -> bool:
    """Whether managers lock themselves, where none can be asked: the key of a node is not in clear then.
    ``root`` is the folder of its engine."""
    (result,) = reader.ask(query_script('grep -q ENCRYPTED "$1"/swarm/certificates/*.key', root))
    return result.ok


def look(engine: EngineReader) -> SwarmFacts:
    """Ask a manager. Raises `EngineError` where it has no leader, or its answer makes no sense."""
    nodes, its = engine.nodes(), engine.cluster()
    with told_by_engine("the swarm's nodes make no sense", "`docker node ls`"):
        return SwarmFacts({node.id: node for node in map(_node, nodes)}, _cluster(its))


def _cluster(raw: Json) -> Cluster:
    spec = raw.get("Spec") or {}
    others = list(objects((spec.get("CAConfig") or {}).get("ExternalCAs")))
    return Cluster(
        version=whole((raw.get("Version") or {}).get("Index") or 0),
        spec=dict(spec),
        authority=_authority(raw),
        rotating=raw.get("RootRotationInProgress") is True,
        external=one_line(others[0].get("URL") or "somebody else", 200) if others else "",
        autolock=(spec.get("EncryptionConfig") or {}).get("AutoLockManagers") is True,
    )


def _authority(raw: Json) -> str:
    """Two authorities of engines have one and the same subject: their keys tell them apart."""
    its = raw.get("TLSInfo") or {}
    return " ".join(text(its.get(key) or "") for key in ("TrustRoot", "CertIssuerPublicKey")).strip()


def _node(raw: Json) -> Node:
    spec, status, manager = raw.get("Spec") or {}, raw.get("Status") or {}, raw.get("ManagerStatus") or {}
    return Node(
        id=text(raw["ID"]),
        name=text((raw.get("Description") or {}).get("Hostname") or ""),
        role=text(spec.get("Role") or ""),
        availability=text(spec.get("Availability") or ""),
        state=text(status.get("State") or ""),
        address=text(status.get("Addr") or ""),
        manager=text(manager.get("Reachability") or ""),
        leader=manager.get("Leader") is True,
        version=whole((raw.get("Version") or {}).get("Index") or 0),
        spec=dict(spec),
        authority=_authority(raw.get("Description") or {}),
    )
