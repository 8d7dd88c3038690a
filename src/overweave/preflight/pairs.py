"""The paths between hosts: what does not arrive, what could not be measured, and who has taken a port."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from overweave import store_part
from overweave.facts.engine import Engine
from overweave.facts.fleet import FleetFacts
from overweave.facts.pair_report import Port
from overweave.facts.paths import PairFacts, Path
from overweave.model import Fleet

from .directions import Direction, Group, arrows, groups, names
from .finding import Finding, error, note, warning
from .firewall import explained
from .ports import CONSUL, ETCD, GOSSIP_ISSUES, Need, needs, of_vxlan


def ports(fleet: Fleet, facts: FleetFacts) -> list[Finding]:
    """Ports of a host that somebody else has: free or ours, they must be."""
    if facts.pairs is None:
        return []
    wanted = {need.port: need for need in needs(fleet)}
    found: dict[tuple[str, Port], Finding] = {}
    for name, end in facts.pairs.ends.items():
        for taken in end.taken:
            need = wanted.get(taken.port)
            if need is None or _ours(facts, name, taken.process, need):
                continue
            who = f"{taken.process} (pid {taken.pid})" if taken.process else "something that has no process"
            if taken.errno != "EADDRINUSE":
                who = f"nobody, and can't be opened ({taken.errno})"
            found.setdefault(
                (name, taken.port),
                error(
                    "ports.taken",
                    f"{taken.port} at {taken.address} is taken by {who}",
                    matters=need.matters,
                    fix=f"stop it, or let it listen elsewhere: `ss -Hlnp{taken.port.protocol[0]} "
                    f"sport = :{taken.port.number}` shows it",
                    host=name,
                ),
            )
    return list(found.values())


def _ours(facts: FleetFacts, host: str, process: str, need: Need) -> bool:
    if process not in need.owners or need.owners not in (CONSUL, ETCD):
        return process in need.owners
    engine = facts.hosts[host].engine
    store = store_part.there(facts.hosts[host])
    # Where the engine is down, nobody can say whose store it is.
    return (store is not None and store.running) or not isinstance(engine, Engine) or not engine.running


def measured(fleet: Fleet, facts: FleetFacts) -> list[Finding]:
    """What could not be measured, and why."""
    found = []
    for name, end in facts.pairs.ends.items() if facts.pairs else ():
        if end.lost:
            fix = "`apt-get install perl-base`, or what brings perl there" if "no perl" in end.lost else ""
            found.append(
                warning(
                    "pairs.measured",
                    f"the paths from and to it were not measured: {end.lost}",
                    matters=f"a firewall between the hosts would be seen only after the deployment "
                    f"({GOSSIP_ISSUES})",
                    fix=fix or "try `fab preflight` again",
                    host=name,
                )
            )
        elif end.no_vxlan and not _no_link(facts, name):
            found.append(_no_vxlan(name, end.no_vxlan, of_vxlan(fleet, facts)))
    return found


def _no_link(facts: FleetFacts, name: str) -> bool:
    """Whether the host could not make a VXLAN link in its own namespace either, which is told already."""
    machine = facts.machines.get(name)
    return bool(machine and machine.kernel.links.get("vxlan"))


def _no_vxlan(name: str, why: str, port: Port) -> Finding:
    why = why.partition(" Command failed")[0]
    if "use" in why.lower():
        return error(
            "pairs.vxlan-port",
            f"{port} is taken by something else than a VXLAN device: {why}",
            matters="the engine's overlay needs it and fails with `address already in use`",
            fix=f"see `ss -Hlnup sport = :{port.number}`, and `ip -d link show type vxlan` for a flow-based "
            "device",
            host=name,
        )
    if "namespace" in why or "not permitted" in why:
        return warning(
            "pairs.measured",
            f"VXLAN was not measured: {why}",
            matters="what needs a namespace here needs one in the engine, too",
            fix="see `unshare -n true` on the host",
            host=name,
        )
    return error(
        "pairs.vxlan-device",
        f"the kernel does not make a VXLAN device: {why}",
        matters="without one there is no overlay on this host (libnetwork#1166)",
        fix="`modprobe vxlan`; if there is none, install the modules of the kernel that runs",
        host=name,
    )


def paths(fleet: Fleet, facts: FleetFacts) -> list[Finding]:
    """What does not get from one host to another. A direction where nothing gets through is told once."""
    its = facts.pairs
    if its is None:
        return []
    # Where all arrives there is nothing to explain, and judging rules takes the longest of all checks.
    told = cache(lambda: explained(fleet, facts))
    frames = of_vxlan(fleet, facts)
    vital = {frames, *(need.port for need in needs(fleet) if need.vital)}
    nothing = {d for d, path in its.paths.items() if nothing_arrives(path)}
    # A rule that drops all that is needed, told with the rule.
    without = {
        d for d in nothing if all((*d, port) in told() for port in vital & {frames, *its.paths[d].ports})
    }
    found = [_no_path(its, group, frames) for group in groups(nothing - without, its.paths)]
    rest = {d: path for d, path in its.paths.items() if d not in nothing}
    # Without a way back no connection comes about, and no owner's answer comes.
    there_and_back = {d: path for d, path in rest.items() if d[::-1] not in nothing}

    def passes(path: Path, port: Port) -> bool | None:
        """None where that was not measured."""
        if port == frames:
            return path.vxlan.arrived > 0 if path.vxlan else None
        return path.ports[port] == "ok" if port in path.ports else None

    def of(port: Port, matters: str) -> None:
        ways = rest if port == frames else there_and_back
        known = {d: open_ for d, path in ways.items() if (open_ := passes(path, port)) is not None}
        dead = [d for d, open_ in known.items() if not open_ and (*d, port) not in told()]
        found.extend(_closed(its, group, port, matters, frames) for group in groups(dead, known))

    of(frames, f"names resolve and nothing answers ({GOSSIP_ISSUES})")
    spare: dict[Direction, list[Port]] = {}
    for need in needs(fleet):
        if need.vital:
            of(need.port, need.matters)
        else:
            for direction in [d for d, path in there_and_back.items() if passes(path, need.port) is False]:
                spare.setdefault(direction, []).append(need.port)
    if spare:
        found.append(_spare(fleet, spare))
    return found


def nothing_arrives(path: Path) -> bool:
    travels = [travel.arrived for travel in (path.underlay, path.vxlan) if travel is not None]
    return len(travels) + len(path.ports) > 1 and not any(travels) and "ok" not in path.ports.values()


def _no_path(its: PairFacts, group: Group, frames: Port) -> Finding:
    targets = names([its.ends[to].address for to in dict.fromkeys(to for _, to in group.directions)])
    return error(
        "pairs.path",
        _where(group, "nothing arrives, no VXLAN, no gossip, no echo"),
        matters="what a host advertises has to be reached by all of its peers (moby#17248, moby#27647)",
        fix=f"do peers reach {targets}? If not, give what they reach with `advertise:` in the inventory; if "
        f"so, let firewalls pass {frames}, TCP and UDP 7946",
        host=group.host,
        peer=group.peer,
    )


def _where(group: Group, what: str) -> str:
    """What is wrong, and where, unless the finding's host and peer say it."""
    if group.one_way:
        return f"{what}; one way: from {group.peer} to {group.host} it is fine"
    if group.peer:
        return what
    if group.host:
        way = {
            (True, True): "from it and to it, with all of its peers",
            (True, False): "to it, from all of its peers",
        }.get((group.into, group.out_of), "from it, to all of its peers")
        return f"{what}: {way} ({names(group.peers)})"
    count = len(group.directions)
    return f"{what}, in {count} directions: {arrows(group.directions)}"


def _closed(its: PairFacts, group: Group, port: Port, matters: str, frames: Port) -> Finding:
    results = {its.paths[d].ports.get(port, "") for d in group.directions}
    how = (
        "VXLAN frames do not arrive" if port == frames else ", ".join(sorted(HOW.get(r, r) for r in results))
    )
    return error(
        "pairs.vxlan" if port == frames else f"pairs.{port.protocol}-{port.number}",
        _where(group, f"{port}: {how}"),
        matters=matters,
        fix=_open(its, group, port, "EPERM" in results),
        host=group.host,
        peer=group.peer,
    )


HOW = {
    "silent": "no answer",
    "mute": "a connection that carries nothing",
    "ECONNREFUSED": "refused",
    "EHOSTUNREACH": "rejected on the way (EHOSTUNREACH)",
    "EPERM": "forbidden by the sender's own firewall (EPERM)",
}


def _open(its: PairFacts, group: Group, port: Port, forbidden: bool) -> str:
    """The rule that lets it pass on a host. A firewall between hosts needs the like."""
    rule = f"-p {port.protocol} --dport {port.number}"
    if not group.peer:
        at = f"on {group.host}" if group.into and group.host else "on every host"
        chain = "OUTPUT" if forbidden else "INPUT"
        return f"open {port} between the hosts: `iptables -I {chain} {rule} -j ACCEPT` {at}"
    a, b = (its.ends[name].address for name in (group.host, group.peer))
    command = f"OUTPUT {rule} -d {b}" if forbidden else f"INPUT {rule} -s {a}"
    at = group.host if forbidden else group.peer
    return f"open {port} from {a} to {b}: `iptables -I {command} -j ACCEPT` on {at}"


def _spare(fleet: Fleet, spare: Mapping[Direction, list[Port]]) -> Finding:
    found = sorted({port for its in spare.values() for port in its})
    return note(
        "pairs.store-peers",
        f"{names([str(port) for port in found])} closed: {arrows(spare)}",
        matters="nothing needs them while the store has one server; three or more need them between them"
        if len(fleet.servers) == 1
        else "nothing needs them while the store is in one place",
    )
