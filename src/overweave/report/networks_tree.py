"""How the networks of a host are built, as a tree on a terminal: network, bridge, endpoint, sandbox."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from rich.text import Text
from rich.tree import Tree

from overweave.networks.model import Device, Endpoint, HostTree, Member, NetworkTree, Sandbox, Vxlan

ID = 12
"""Characters of an id that are shown, as Docker does."""

Safe = Callable[[str], str]


def host(its: HostTree, names: Mapping[str, str], safe: Safe) -> Tree:
    """``names`` are of hosts by their addresses; ``safe`` makes words fit the terminal."""
    return _Drawing(its, names, safe).tree()


class _Drawing:
    def __init__(self, its: HostTree, names: Mapping[str, str], safe: Safe) -> None:
        self._its, self._names, self._safe = its, names, safe
        self._told: set[str] = set()

    def _line(self, kind: str, name: str, *words: str, style: str = "bold") -> Text:
        text = Text.assemble((f"{kind} ", "dim"), (self._safe(name), style))
        told = [word for word in words if word]
        return text.append("  " + self._safe("  ".join(told))) if told else text

    def _mark(self, at: Tree, wrong: Sequence[str]) -> None:
        for words in wrong:
            at.add(Text(self._safe(f"BROKEN: {words}"), style="bold red"))

    def tree(self) -> Tree:
        root = Tree(Text(self._safe(self._its.host), style="bold"), guide_style="dim")
        for network in self._its.networks:
            self._network(root, network)
        used = {e.sandbox for n in self._its.networks for e in n.endpoints}
        for sandbox in self._its.sandboxes:
            if sandbox.key not in used:
                self._sandbox(root, sandbox)
        if not self._its.networks and not self._its.sandboxes:
            root.add(Text("nothing was told of"))
        return root

    def _network(self, root: Tree, its: NetworkTree) -> None:
        what = [its.driver or "not listed", its.scope, *its.subnets]
        what += [f"VNI {vni}" for vni in its.vnis] + list(its.flags)
        at = root.add(self._line("network", its.name, ", ".join(filter(None, what))))
        self._mark(at, its.wrong)
        inner = at.add(self._line("namespace", its.namespace)) if its.namespace else at
        for vxlan in its.vxlans:
            self._vxlan(inner, vxlan)
        left = list(its.endpoints)
        for bridge in its.bridges:
            node = inner.add(self._line("bridge", bridge.name, *bridge.addresses, *_state(bridge)))
            mine = [e for e in left if e.port is not None and e.port.master == bridge.name]
            left = [e for e in left if e not in mine]
            for endpoint in mine:
                self._endpoint(node, endpoint)
        for endpoint in left:
            self._endpoint(inner, endpoint)
        if its.waiting:
            at.add(self._line("stopped", ", ".join(its.waiting), "on it again when started", style=""))

    def _vxlan(self, at: Tree, its: Vxlan) -> None:
        vxlan = at.add(
            self._line("vxlan", its.device.name, f"VNI {its.vni}, UDP {its.port}", *_state(its.device))
        )
        for address, macs in its.peers.items():
            name = self._names.get(address, "")
            told = f"{macs} MAC{'s' * (macs > 1)}"
            vxlan.add(self._line("to", address, f"({name})" if name else "", told, style=""))

    def _endpoint(self, at: Tree, its: Endpoint) -> None:
        who = its.holder or its.name
        if its.holder and its.name not in ("", its.holder):
            who = f"{its.holder} ({its.name})"
        node = at.add(self._line("endpoint", its.id[:ID], who, its.address, its.mac, style="cyan"))
        self._mark(node, its.wrong)
        if its.interface is not None:
            node.add(self._link(its.interface, its))
        sandbox = self._its.sandbox(its.sandbox)
        if sandbox is not None:
            self._sandbox(node, sandbox)

    def _link(self, inside: Device, its: Endpoint) -> Text:
        if inside.kind != "veth":
            on = f"on {its.parent} of the host" if its.parent else ""
            return self._line(inside.kind or "device", inside.name, on, style="")
        if its.port is None:
            return self._line("veth pair", _ends(inside), "its other end was not found", style="")
        into = f"in {its.port.master}" if its.port.master else "in no bridge"
        return self._line("veth pair", f"{_ends(inside)} <-> {_ends(its.port)} {into}", style="")

    def _sandbox(self, at: Tree, its: Sandbox) -> None:
        """At its second endpoint, only its name."""
        if its.key in self._told:
            who = its.members[0].name if its.members and not its.own else ""
            at.add(self._line("sandbox", its.key, who, "see above", style="green"))
            return
        self._told.add(its.key)
        owners = [m for m in its.members if not m.joined]
        sharing = [m for m in its.members if m.joined]
        node = at.add(
            self._line(
                "sandbox",
                its.key or "(none)",
                "the network of the host itself" if its.own else "",
                ", ".join(_members(owners)),
                f"DNS {', '.join(its.name_servers)}" if its.name_servers else "",
                "" if its.members else "of the engine itself" if not its.wrong else "",
                "only lo" if its.devices and all(d.name == "lo" for d in its.devices) else "",
                style="green",
            )
        )
        self._mark(node, its.wrong)
        if sharing:
            node.add(self._line("shared by", ", ".join(_members(sharing)), style=""))
        if its.waiting:
            node.add(self._line("stopped", ", ".join(its.waiting), "shares it when started", style=""))


def _members(members: Sequence[Member]) -> Iterator[str]:
    return (f"{its.name} (pid {its.pid})" for its in members)


def _ends(device: Device) -> str:
    """As `ip link` shows an end of a pair: with the other end's index."""
    return f"{device.name}@if{device.peer}"


def _state(device: Device) -> tuple[str, ...]:
    return () if device.up else ("DOWN",)
