"""The store on a terminal: how it is, and what a backup of it holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from overweave.backup import About, Network
from overweave.facts.backups import Kept
from overweave.facts.store import Raft
from overweave.model import Store
from overweave.store_state import EngineState, Server, StoreState

GOOD, BAD = "green", "bold red"


def state(result: StoreState) -> RenderableType:
    """What is wrong first; then servers, engines and networks, one row each."""
    word, style = ("healthy", "bold green") if result.healthy else ("NOT healthy", BAD)
    where = f"store: {result.store} as seen on {result.store_at}" if result.store_at else "store: none"
    parts: list[RenderableType] = [Text.assemble((word, style), f": {where}")]
    parts += [Text(f"  {problem}", style="red") for problem in result.problems]
    if not result.store_at:
        return Group(*parts)
    leader = Text.assemble("leader: ", (result.leader, "") if result.leader else ("NONE", BAD))
    parts += [leader, _servers(result.servers)]
    if result.clients:
        parts.append(Text("other agents: " + ", ".join(f"{m.name} {m.state}" for m in result.clients)))
    if result.engines:
        parts.append(_engines(result.engines, sessions=result.store == Store().title))
    if ends := sorted((its.ends, its.host or "the authority") for its in result.certificates if its.ends):
        parts.append(Text(f"certificates: the first ends on {ends[0][0]:%Y-%m-%d} ({ends[0][1]})"))
    if result.others:
        parts.append(Text(f"sessions that no engine is registered by: {result.others}"))
    if result.leader:
        parts.append(
            Text(f"keys: {result.keys}, values {_size(result.bytes)}, the largest {_size(result.largest)}")
        )
        parts.append(_networks(result.networks) if result.networks else Text("networks: none"))
    return Group(*parts)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column)
    return table


def _servers(servers: Sequence[Server]) -> Table:
    table = _table("server", "address", "agent", "raft", "votes", "commit index", "last contact", "version")
    # An address that is cut is none: on a narrow terminal other columns give way.
    table.columns[1].no_wrap = True
    for its in servers:
        raft = its.raft
        # A leader hears from nobody, and etcd does not tell.
        told = isinstance(raft, Raft) and raft.state != "Leader"
        contact = raft.last_contact if raft else None
        table.add_row(
            Text(its.name or "?", style="bold"),
            its.address,
            Text(its.state, style=GOOD if its.state == "alive" else BAD),
            raft.state if raft else ("Leader" if its.leader else "-"),
            "yes" if its.voter else "no",
            str(raft.commit_index) if raft else "-",
            "-" if not told else "never" if contact is None else f"{contact * 1000:.0f} ms",
            its.version or "-",
        )
    return table


def _engines(engines: Sequence[EngineState], *, sessions: bool) -> Table:
    table = _table("engine", "registered as", "session" if sessions else "key", "TTL")
    for its in engines:
        there = its.session if sessions else "there"
        shown = Text(there) if its.registered else Text("NONE", style=BAD)
        table.add_row(Text(its.host or "not given", style="bold"), its.node, shown, its.ttl or "-")
    return table


def _networks(networks: Sequence[Network]) -> Table:
    table = _table("network", "id", "VNI", "subnet", "endpoints")
    for its in networks:
        vnis = ", ".join(map(str, its.vnis)) or "-"
        subnets = ", ".join(its.subnets) or "-"
        table.add_row(Text(its.name, style="bold"), its.id[:12], vnis, subnets, str(its.endpoints))
    return table


def _size(count: int) -> str:
    return f"{count} B" if count < 10_000 else f"{count / 1000:.0f} kB"


def backup(about: About, path: str) -> RenderableType:
    """What a file holds."""
    return Group(
        Text(
            f"{path}: the store {about.told}: {about.program}, "
            f"{'index' if about.etcd else 'raft index'} {about.index}, "
            f"{len(about.engines)} engines"
        ),
        _networks(about.networks),
    )


def backups(found: Mapping[str, Sequence[Kept]], folder: str) -> RenderableType:
    """What hosts keep in their ``folder``, one row each, by host."""
    if not any(found.values()):
        return Text(f"no host has a backup of the store in {folder}")
    table = _table("backup", "made", "size", "raft index", "Consul")
    for host, its in found.items():
        for one in its:
            size = "-" if one.size is None else _size(one.size)
            made = one.made.strftime("%Y-%m-%d %H:%M:%S UTC")
            table.add_row(Text(f"{host}:{one.name}", style="bold"), made, size, str(one.index), one.consul)
    return table


def restored(before: Path | None, seconds: float) -> Text:
    kept = f"the store as it was: {before}" if before else "there was no store that could be backed up before"
    return Text(f"the store is put back, in {seconds:.1f} s; {kept}")
