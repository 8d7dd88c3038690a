"""The engine of a host: version, cluster settings, what runs on it, what daemon.json says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from overweave.command import Result, query_script
from overweave.errors import EngineError
from overweave.model import ETCD
from overweave.ports import EngineReader, Json

from . import attachments
from .absent import Absent
from .attachments import Attachment
from .swarm import Member, parse_member
from .typed import objects, text, text_map, texts

QUERIES = (
    # A running engine tells its version itself; starting the binary takes 0.1 s.
    query_script("command -v dockerd >/dev/null || exit; systemctl -q is-active docker || dockerd --version"),
    # 20.10 of Debian 12 is built without Consul (engine-facts): ask the binary, not the version. An
    # engine that runs with a store has answered for it already, and reading 90 MB takes 0.1 s.
    query_script(
        "pid=$(systemctl show -p MainPID --value docker.service)\n"
        'has() { grep -q -- "--cluster-store=$1:" /proc/$pid/cmdline 2>/dev/null ||\n'
        '  grep -q "libkv/store/$1" "$(command -v dockerd)"; }\n'
        # All builds that have Consul have etcd.
        "if has consul; then echo consul etcd; elif has etcd; then echo etcd; fi"
    ),
    query_script('test ! -e "$1" || cat "$1"', "/etc/docker/daemon.json"),
)


@dataclass(frozen=True)
class Container:
    name: str
    image: str
    running: bool
    labels: dict[str, str]
    networks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Engine:
    """``speaks_consul``, ``speaks_etcd``: built with that store. While it is down, only the version is known.

    ``id`` is of the key in /etc/docker/key.json; ``storage`` the driver, as in ``overlay2``,
    ``on_loop`` if it keeps its data in a file behind a loop device; ``root`` the folder of images and
    containers; ``warnings`` are the engine's own.
    """

    running: bool
    version: str
    speaks_consul: bool
    reason: str
    containers: tuple[Container, ...]
    images: frozenset[str]
    volumes: frozenset[str]
    networks: tuple[NetworkFact, ...]
    id: str = ""
    storage: str = ""
    on_loop: bool = False
    root: str = ""
    live_restore: bool = False
    warnings: tuple[str, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    member: Member = field(default_factory=Member)
    speaks_etcd: bool = True

    @property
    def swarm(self) -> bool:
        return self.member.there

    def speaks(self, kind: str) -> bool:
        """Whether it was built with that kind of store."""
        return self.speaks_etcd if kind == ETCD else self.speaks_consul

    def network(self, name: str) -> NetworkFact | None:
        return next((n for n in self.networks if n.name == name), None)

    def container(self, name: str) -> Container | None:
        return next((c for c in self.containers if c.name == name), None)


@dataclass(frozen=True)
class Pool:
    """What an engine gives addresses of a network from. ``range`` and ``gateway`` are "" where its maker has
    given none; ``reserved`` are addresses that it gives nobody, by the names that these were given."""

    subnet: str
    range: str = ""
    gateway: str = ""
    reserved: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class NetworkFact:
    """A network as one engine shows it. ``options`` are the driver's; ``internal``: without a way out;
    ``attachable``: containers may join it by themselves, which is of swarm networks, as ``ingress`` is."""

    id: str
    name: str
    driver: str
    scope: str
    subnets: tuple[str, ...]
    options: dict[str, str]
    internal: bool = False
    attachable: bool = False
    ingress: bool = False
    pools: tuple[Pool, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DaemonJson:
    """``settings`` of /etc/docker/daemon.json; ``error`` says why it can't be read, "" where it can."""

    settings: dict[str, Any]
    error: str = ""


def parse_daemon_json(result: Result) -> DaemonJson:
    text = result.stdout.strip()
    try:
        settings = json.loads(text) if text else {}
    except (ValueError, RecursionError) as e:
        return DaemonJson({}, f"/etc/docker/daemon.json is not JSON: {e}")
    if not isinstance(settings, dict):
        return DaemonJson({}, "/etc/docker/daemon.json is not a JSON object")
    return DaemonJson(settings)


def look(engine: EngineReader, results: Sequence[Result]) -> Engine | Absent:
    """Ask the engine; `Absent` where Docker is not installed."""
    installed, built_with, _ = results
    if not installed.ok:
        return Absent("Docker is not installed: there is no dockerd")
    stores = built_with.stdout.split()
    version = installed.stdout.removeprefix("Docker version ").partition(",")[0].strip()
    try:
        info = engine.info()
    except EngineError as e:
        nothing: frozenset[str] = frozenset()
        return Engine(
            False,
            version,
            "consul" in stores,
            e.message,
            (),
            nothing,
            nothing,
            (),
            speaks_etcd="etcd" in stores,
        )
    containers = engine.containers()
    return Engine(
        running=True,
        version=text(info.get("ServerVersion") or version),
        speaks_consul="consul" in stores,
        speaks_etcd="etcd" in stores,
        reason="",
        containers=tuple(_container(c) for c in containers),
        images=frozenset(tag for image in engine.images() for tag in texts(image.get("RepoTags"))),
        volumes=frozenset(text(volume["Name"]) for volume in engine.volumes()),
        networks=tuple(parse_network(n) for n in engine.networks()),
        id=str(info.get("ID") or ""),
        storage=str(info.get("Driver") or ""),
        on_loop=any("loop file" in str(row) for row in info.get("DriverStatus") or ()),
        root=str(info.get("DockerRootDir") or ""),
        live_restore=info.get("LiveRestoreEnabled") is True,
        warnings=tuple(str(w) for w in info.get("Warnings") or ()),
        attachments=attachments.parse(containers),
        member=parse_member(info),
    )


def _container(raw: Json) -> Container:
    return Container(
        name=text((raw.get("Names") or ["/?"])[0]).lstrip("/"),
        image=text(raw.get("Image") or ""),
        running=raw.get("State") == "running",
        labels=text_map(raw.get("Labels")),
        networks=tuple((raw.get("NetworkSettings") or {}).get("Networks") or ()),
    )


def parse_network(raw: Json) -> NetworkFact:
    configs = list(objects((raw.get("IPAM") or {}).get("Config")))
    return NetworkFact(
        id=text(raw["Id"]),
        name=text(raw["Name"]),
        driver=text(raw.get("Driver") or ""),
        scope=text(raw.get("Scope") or ""),
        subnets=tuple(text(c["Subnet"]) for c in configs if c.get("Subnet")),
        options=text_map(raw.get("Options")),
        internal=raw.get("Internal") is True,
        attachable=raw.get("Attachable") is True,
        ingress=raw.get("Ingress") is True,
        pools=tuple(
            Pool(
                text(c["Subnet"]),
                text(c.get("IPRange") or ""),
                text(c.get("Gateway") or ""),
                text_map(c.get("AuxiliaryAddresses")),
            )
            for c in configs
            if c.get("Subnet")
        ),
        labels=text_map(raw.get("Labels")),
    )
