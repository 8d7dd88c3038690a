"""Containers and their endpoints, as the engine of a host tells of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address

from overweave.errors import EngineError
from overweave.ports import EngineReader, Json
from overweave.printable import one_line

from .typed import text, texts, whole

SHARES = "container:"
"""What the network mode of a container begins with that uses the network of another one."""


@dataclass(frozen=True)
class Listed:
    """A container as the list of its engine has it."""

    host: str
    name: str
    id: str
    running: bool


@dataclass(frozen=True)
class Endpoint:
    """Where a container is plugged into a network. ``address`` (IPv4) and ``mac`` are "" while it does not
    run; ``prefix`` is the length of the subnet's. ``aliases`` are the names that it was given there, and
    ``fixed`` the address that it asked for, "" for any."""

    network: str
    network_id: str
    id: str
    address: str
    prefix: int
    mac: str
    gateway: str
    aliases: tuple[str, ...] = ()
    fixed: str = ""


@dataclass(frozen=True)
class ContainerFact:
    """``mode`` is its network mode: ``host``, ``none``, ``container:ID``, or a network's name. ``pid`` is 0
    where it does not run. ``shares`` is the name of the container whose sandbox it uses, "" for its own.
    ``key`` is the name of its sandbox in Docker's folder of namespaces, and ``resolv`` the file on the host
    that it has as /etc/resolv.conf."""

    host: str
    name: str
    id: str
    image: str
    running: bool
    pid: int
    mode: str
    endpoints: tuple[Endpoint, ...]
    shares: str = ""
    key: str = ""
    resolv: str = ""

    @property
    def sandbox(self) -> str:
        """The path of its network namespace on the host."""
        return f"/proc/{self.pid}/ns/net"

    def endpoint(self, network_id: str) -> Endpoint | None:
        return next((e for e in self.endpoints if e.network_id == network_id), None)


def listing(engine: EngineReader, host: str) -> tuple[Listed, ...]:
    """All containers of a host, stopped ones too. Raises `EngineError`."""
    with _sense("listing containers", host):
        return tuple(
            Listed(host, name, text(raw["Id"]), raw.get("State") == "running")
            for raw in engine.containers()
            for name in [_name(raw.get("Names"))]
        )


def inspect(engine: EngineReader, host: str, id: str) -> ContainerFact:
    """A container, with the endpoints of the one whose sandbox it uses. Raises `EngineError`."""
    with _sense(f"looking at container {id[:12]}", host):
        raw = engine.container(id)
        owner = engine.container(owner_of(raw)) if owner_of(raw) else raw
        return fact(raw, owner, host)


def owner_of(raw: Json) -> str:
    """Id or name of the container whose sandbox it uses, "" where it has one of its own."""
    mode = text((raw.get("HostConfig") or {}).get("NetworkMode") or "")
    return mode.removeprefix(SHARES) if mode.startswith(SHARES) else ""


def fact(raw: Json, owner: Json, host: str) -> ContainerFact:
    """From two answers of ``GET /containers/ID/json``, the second of the container whose sandbox it uses.

    Raises `ValueError`, `LookupError`, `TypeError` or `AttributeError` where they are not what the engine
    documents.
    """
    settings = owner.get("NetworkSettings") or {}
    state = raw.get("State") or {}
    running = state.get("Running") is True
    return ContainerFact(
        host=host,
        name=text(raw["Name"]).lstrip("/"),
        id=text(raw["Id"]),
        image=text((raw.get("Config") or {}).get("Image") or ""),
        running=running,
        pid=whole(state.get("Pid") or 0) if running else 0,
        mode=text((raw.get("HostConfig") or {}).get("NetworkMode") or ""),
        endpoints=tuple(
            _endpoint(name, its) for name, its in sorted((settings.get("Networks") or {}).items())
        ),
        shares="" if owner is raw else text(owner["Name"]).lstrip("/"),
        key=text(settings.get("SandboxKey") or "").rpartition("/")[2] if running else "",
        resolv=text(raw.get("ResolvConfPath") or ""),
    )


def swarm_address(engine: EngineReader, host: str) -> str:
    """The address at which an engine of a swarm takes VXLAN, "" where it is in none. Raises `EngineError`."""
    with _sense("asking for its state", host):
        return _address(text((engine.info().get("Swarm") or {}).get("NodeAddr") or ""))


def _endpoint(name: str, raw: Mapping[str, Json]) -> Endpoint:
    return Endpoint(
        network=text(name),
        network_id=text(raw.get("NetworkID") or ""),
        id=text(raw.get("EndpointID") or ""),
        address=_address(text(raw.get("IPAddress") or "")),
        prefix=whole(raw.get("IPPrefixLen") or 0),
        mac=text(raw.get("MacAddress") or "").lower(),
        gateway=text(raw.get("Gateway") or ""),
        aliases=texts(raw.get("Aliases")),
        fixed=_address(text((raw.get("IPAMConfig") or {}).get("IPv4Address") or "")),
    )


def _name(names: Json) -> str:
    """The container's own: those of links have the other container's in front, as in /web/db."""
    told = [text(name) for name in names or ("/?",)]
    return next((n for n in told if n.count("/") == 1), told[0]).lstrip("/")


def _address(told: str) -> str:
    """Raises `ValueError` for what is no IPv4 address; "" stays."""
    return str(IPv4Address(told)) if told else ""


@contextlib.contextmanager
def _sense(doing: str, host: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError) as e:
        raise EngineError(
            f"{doing}: the engine's answer makes no sense: {type(e).__name__}: {one_line(e, 200)}", host=host
        ) from e
