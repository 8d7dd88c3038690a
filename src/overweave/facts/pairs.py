"""What each host can send to each other one: the data path between hosts, measured in both directions.

A program on every host holds the ports that its peers are to reach, where nothing else has them, and probes
its peers: ports, echo requests on the underlay, and the same behind a real VXLAN device of the kernel. What
owns a port answers for itself: a connection, or a ping of the gossip. The programs and all they opened end
with their streams.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping

from overweave.errors import OverweaveError
from overweave.fleet import Cancel, each
from overweave.ports import Clock, Reader

from .pair_agent import Agent, End
from .pair_report import BYE, DONE, HOST, READY, VXLAN, Report
from .paths import Listen, PairFacts, assemble

LOWEST_VNI, HIGHEST_VNI = 16_000_000, (1 << 24) - 1
"""Engines count from 256 and from 4096 up."""
SECONDS = {READY: 6.0, DONE: 6.0, BYE: 3.0}
"""The longest that a stage may take; probes give up after 1.6 s."""


def measure(
    readers: Mapping[str, Reader],
    addresses: Mapping[str, str],
    listens: Mapping[str, tuple[Listen, ...]],
    *,
    mtu: int,
    vxlan: int,
    clock: Clock,
    cancel: Cancel,
    meanwhile: Callable[[str], None] = lambda name: None,
) -> PairFacts:
    """Measure all directed pairs of ``addresses`` (host to advertise address), with packets of up to ``mtu``
    bytes, and VXLAN frames to the port ``vxlan`` (UDP). A host that can't take part is a value, not an error.

    ``meanwhile`` is called with each host while its program gets ready; an error of it is as one of that.
    """
    token, vni = secrets.token_hex(8), LOWEST_VNI + secrets.randbelow(HIGHEST_VNI - LOWEST_VNI)
    ends = {name: End(number, address) for number, (name, address) in enumerate(addresses.items())}
    agents: dict[str, Agent] = {}
    lost: dict[str, str] = {}

    def start(name: str) -> None:
        agents[name] = agent = Agent(readers[name], ends[name], token=token, vni=vni, mtu=mtu, vxlan=vxlan)
        peers = [end for other, end in ends.items() if other != name]
        agent.tell(f"peer {peer.number} {peer.address}" for peer in peers)
        for want in listens.get(name, ()):
            at = want.address or addresses[name]
            agent.tell([f"hold {want.port.protocol} {want.port.number} {at}"])
        agent.tell(["prepare"])
        meanwhile(name)

    def stage(names: Iterable[str], what: str, first: Callable[[str], None]) -> None:
        def work(name: str) -> None:
            first(name)
            agents[name].listen(_everybody(what), SECONDS[what], clock, cancel)
            if (HOST, what) not in agents[name].report.said:
                raise OverweaveError(_silence(agents[name]))

        outcome = each([name for name in names if name not in lost], work, cancel=cancel)
        lost.update({name: e.message for name, e in outcome.errors.items()})

    try:
        stage(addresses, READY, start)
        there = [name for name in addresses if name not in lost]
        for name in there:
            agents[name].tell(
                f"probe {port} {ends[other].number} {mode}"
                for other in there
                if other != name
                for port, mode in _probes(agents[other].report, addresses[other], listens.get(other, ()))
            )
        for name in there:
            agents[name].tell(["go"])
        stage(there, DONE, lambda name: None)
        # Not before everybody is done: till then each one answers the others.
        stage(there, BYE, lambda name: agents[name].tell(["end"]))
    finally:
        for agent in agents.values():
            agent.close()
    return assemble(mtu, addresses, {name: agent.report for name, agent in agents.items()}, lost, vxlan)


def _everybody(what: str) -> Callable[[Report], bool]:
    """Whether all who speak on a host have said so, or there is nobody to wait for."""
    return lambda report: (
        bool(report.missing)
        or ((HOST, what) in report.said and (VXLAN in report.failed or (VXLAN, what) in report.said))
    )


def _silence(agent: Agent) -> str:
    if agent.report.missing:
        return f"there is no {agent.report.missing}"
    return "the program on it ended early" if agent.ended else "the program on it did not answer in time"


def _probes(target: Report, address: str, listens: tuple[Listen, ...]) -> Iterator[tuple[str, str]]:
    """The ports of a host that are worth a probe, and how whoever has them answers one."""
    for want in listens:
        port = f"{want.port.protocol} {want.port.number}"
        owner = target.taken.get((want.port, address))
        if want.address or not want.reached:
            continue
        if (want.port, address) in target.held:
            yield port, "echo"
        elif owner and owner.process in want.owners:
            if want.port.protocol == "tcp":
                yield port, "connect"
            elif want.ping:
                yield port, "gossip"
