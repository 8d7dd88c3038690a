"""How the store's servers stand: who votes, who leads, who is alive, and how many may fail. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from overweave.facts.fleet import FleetFacts
from overweave.facts.store import Agent, Member, Peer, Raft


def needed(servers: int) -> int:
    """How many of so many servers must be alive to agree on anything."""
    return servers // 2 + 1


@dataclass(frozen=True)
class Server:
    """One that raft is configured with. ``host`` is "" where it is none of the fleet's; ``name`` is its
    agent's, "" where nobody knows it; ``address`` has the port; ``raft`` None where it was not asked.

    ``alive``: the gossip has it alive, and it answers, if its host could be asked.
    """

    host: str
    id: str
    name: str
    address: str
    leader: bool
    voter: bool
    alive: bool
    raft: Raft | None = None

    @property
    def ip(self) -> str:
        """Its address without the port."""
        return self.address.rpartition(":")[0]

    @property
    def told(self) -> str:
        """For messages."""
        return self.host or f"{self.name or '?'} ({self.ip})"


@dataclass(frozen=True)
class Standing:
    """``agents``: what agents say of themselves, by host; ``members``: all agents, as the gossip has them.
    ``leader`` is an address, "" while there is none."""

    leader: str = ""
    servers: tuple[Server, ...] = ()
    agents: Mapping[str, Agent] = field(default_factory=dict)
    members: tuple[Member, ...] = ()

    @property
    def voters(self) -> tuple[Server, ...]:
        return tuple(server for server in self.servers if server.voter)

    @property
    def dead(self) -> tuple[Server, ...]:
        return tuple(server for server in self.servers if not server.alive)

    @property
    def leading(self) -> str:
        """The host of the leader, "" where it is none of the fleet's."""
        return next((server.host for server in self.servers if server.leader), "")

    @property
    def versions(self) -> tuple[str, ...]:
        """Of all agents that are alive."""
        return tuple(sorted({member.version for member in self.members if member.alive and member.version}))

    def of(self, host: str) -> Server | None:
        return next((server for server in self.servers if server.host == host), None)


def counted(servers: Iterable[Server]) -> str:
    """In numbers, for messages: how many there are, live, and have to."""
    there = tuple(servers)
    alive = sum(server.alive for server in there)
    return f"{len(there)} server{'s' * (len(there) != 1)}, {alive} alive, {needed(len(there))} needed"


def stand(
    facts: FleetFacts,
    leader: str,
    peers: Iterable[Peer],
    members: Iterable[Member],
    agents: Mapping[str, Agent],
) -> Standing:
    all_ = tuple(members)
    by_id = {member.id: member for member in all_ if member.id}

    def server(peer: Peer) -> Server:
        address = peer.address.rpartition(":")[0]
        host = next((name for name, its in facts.hosts.items() if its.interfaces.holding(address)), "")
        agent = agents.get(host)
        its = by_id.get(peer.id)
        answers = agent is not None and agent.id == peer.id and agent.server
        return Server(
            host,
            peer.id,
            its.name if its else "",
            peer.address,
            peer.leader,
            peer.voter,
            its is not None and its.alive and its.server and (answers or not host),
            agent.raft if agent is not None and answers else None,
        )

    return Standing(leader, tuple(server(peer) for peer in peers), dict(agents), all_)
