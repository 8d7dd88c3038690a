"""All facts of one host: one round trip of commands, and a few calls to its engine."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from overweave.command import query_script
from overweave.errors import OverweaveError
from overweave.ports import Reader
from overweave.printable import one_line
from overweave.stores import consul, etcd

from . import (
    backup_unit,
    boot,
    credentials,
    engine,
    identity,
    interfaces,
    node_certificate,
    record,
    store_service,
    unit,
    wanted,
)
from .absent import Absent
from .backup_unit import BackupUnit
from .boot import BootUnit
from .credentials import HostCredentials
from .engine import DaemonJson, Engine
from .identity import Identity
from .interfaces import Interfaces
from .node_certificate import NodeCertificate
from .record import Before
from .store_service import StoreService
from .typed import NONSENSE, ipv4
from .unit import Unit
from .wanted import HostNotes

CONFIG_QUERY = query_script(
    'for file; do test ! -e "$file" || { head -c 65536 "$file"; break; }; done', consul.CONFIG, etcd.CONFIG
)
FOLDER_QUERY = query_script(
    'test -d "$1" && { test ! -e "$2" || ls -A "$1" | grep -qvxF "${2##*/}"; }',
    unit.DROP_IN_FOLDER,
    unit.DROP_IN,
)


ADVERTISE = "--cluster-advertise="


@dataclass(frozen=True)
class HostFacts:
    """``drop_in_folder``: whether docker.service has a folder for drop-ins in /etc that is not there for
    Overweave's own alone. ``store_config``: the text of the store's configuration file, "" without one.
    ``moving``: it is being moved from a cluster store to a swarm. ``node_certificate``: of the swarm that
    its engine is in, None without one."""

    name: str
    reached_at: str
    identity: Identity
    unit: Unit | Absent
    interfaces: Interfaces
    engine: Engine | Absent
    daemon_json: DaemonJson
    before: Before | None
    drop_in_folder: bool
    store_config: str = ""
    boot: BootUnit = field(default_factory=BootUnit)
    credentials: HostCredentials = field(default_factory=HostCredentials)
    backup: BackupUnit = field(default_factory=BackupUnit)
    service: StoreService = field(default_factory=StoreService)
    notes: HostNotes = field(default_factory=HostNotes)
    moving: bool = False
    node_certificate: NodeCertificate | None = None

    @property
    def advertised(self) -> str:
        """The underlay address that the running engine was told to announce, "" without one: its gossip
        listens there and its containers are behind it, whatever a deployment would choose now. In a
        swarm: the address that the engine has joined with."""
        if isinstance(self.engine, Engine) and self.engine.member.active:
            return ipv4(self.engine.member.address)
        flags = self.unit.arguments if isinstance(self.unit, Unit) else ()
        told = next((a.partition("=")[2] for a in flags if a.startswith(ADVERTISE)), "")
        place = told.rpartition(":")[0] or told
        interface = self.interfaces.named(place)
        if interface is not None:
            return next((str(address.ip) for address in interface.addresses), "")
        return ipv4(place)


def look(reader: Reader) -> HostFacts:
    """Raises `ConnectionProblem` where the host can't be asked."""
    parts = (
        unit.QUERIES,
        identity.QUERIES,
        interfaces.QUERIES,
        engine.QUERIES,
        record.QUERIES,
        (FOLDER_QUERY, CONFIG_QUERY),
        boot.QUERIES,
        credentials.QUERIES,
        backup_unit.QUERIES,
        store_service.QUERIES,
        wanted.QUERIES,
        node_certificate.QUERIES,
    )
    # The way to the engine takes about as long as the commands: a program of Docker's has to start.
    reader.engine.prepare()
    answers = iter(reader.ask(*(query for part in parts for query in part)))
    (
        of_unit,
        of_identity,
        of_interfaces,
        of_engine,
        of_record,
        of_folder,
        of_boot,
        of_credentials,
        of_backup,
        of_service,
        of_wanted,
        of_node,
    ) = ([next(answers) for _ in part] for part in parts)
    name = reader.host.name
    try:
        its_unit = unit.parse(of_unit)
        if isinstance(its_unit, Unit) and its_unit.stray_threads:
            (again,) = reader.ask(unit.NAMESPACES_AGAIN)
            stray = min(its_unit.stray_threads, unit.stray_threads(again.stdout))
            its_unit = replace(its_unit, stray_threads=stray)
        return HostFacts(
            name=name,
            reached_at=reader.reached_at,
            identity=identity.parse(of_identity),
            unit=its_unit,
            interfaces=interfaces.parse(of_interfaces),
            engine=engine.look(reader.engine, of_engine),
            daemon_json=engine.parse_daemon_json(of_engine[-1]),
            before=record.parse(of_record[0]),
            drop_in_folder=of_folder[0].ok,
            store_config=of_folder[1].stdout,
            boot=boot.parse(of_boot),
            credentials=credentials.look(of_credentials),
            backup=backup_unit.parse(of_backup),
            service=store_service.parse(of_service),
            notes=wanted.parse(of_wanted),
            moving=of_record[1].ok,
            node_certificate=node_certificate.parse(of_node),
        )
    except OverweaveError as e:
        e.host = e.host or name
        raise
    except (*NONSENSE, ArithmeticError) as e:
        raise OverweaveError(
            f"the host answered something that makes no sense: {type(e).__name__}: {one_line(e)}",
            host=name,
            hint="please report this with the output of `ip -json address` and `docker info`",
        ) from e
