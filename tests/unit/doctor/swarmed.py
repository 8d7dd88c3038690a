"""A swarm of three with one app a host on its overlay, as values; tests change what they want."""

from __future__ import annotations

from dataclasses import replace

from tests.golden.site import inventory_of
from tests.golden.test_plans import deployed
from tests.unit.doctor.overlay import VXLAN, Overlay, attachment, space, vtep

from overweave.facts import swarm_records
from overweave.facts.swarm import SwarmFacts
from overweave.model import VNIS_OPTION

NETWORK = "id of overweave"
SPACE = f"1-{NETWORK[:10]}"
VNI = 4097
DEVICE = replace(VXLAN, vni=VNI)


def joined(number, **changes):
    """The app of a host on the swarm's overlay."""
    return attachment(number, **{"network": NETWORK} | changes)


def swarm_space(number):
    """The overlay's namespace on a host, with the rows of the others."""
    its = space(number)
    links = tuple(DEVICE if link.kind == "vxlan" else link for link in its.links)
    return replace(its, name=SPACE, links=links)


class SwarmOverlay(Overlay):
    """``nodes``: changes of what the managers list, by the number of the host or by an id of their own.
    ``peers``: what each engine sees in the gossip of the network. ``balancers``: endpoints of services."""

    def __init__(self, managers=3):
        wanted = inventory_of(3, backend="swarm", store={}, swarm={"managers": managers})
        super().__init__(deployed(wanted))
        options = {VNIS_OPTION: str(VNI)}
        self.site.shared["overweave"] = ["overlay", "swarm", ["10.211.0.0/16"], options]
        self.attachments = {n: (joined(n),) for n in (1, 2, 3)}
        self.spaces = {n: {SPACE: swarm_space(n)} for n in (1, 2, 3)}
        self.peers = {n: {NETWORK: frozenset(map(vtep, (1, 2, 3)))} for n in (1, 2, 3)}
        self.nodes = {}
        self.balancers = ()

    def live(self):
        its = super().live()
        hosts = {name: replace(seen, peers=self.peers[int(name[-1])]) for name, seen in its.hosts.items()}
        facts = replace(its.fleet, swarm=self.told_by_managers(its.fleet.swarm))
        records = swarm_records.records(facts, self.balancers)
        return replace(its, fleet=facts, hosts=hosts, records=records)

    def told_by_managers(self, swarm):
        if swarm is None:
            return None
        changes = {f"n{key}" if isinstance(key, int) else key: its for key, its in self.nodes.items()}
        return SwarmFacts({id_: replace(node, **changes.get(id_, {})) for id_, node in swarm.nodes.items()})

    def forget(self, name):
        super().forget(name)
        self.site.wanted = self.site.wanted | {"swarm": {}}

    def change(self, number, **changes):
        self.spaces[number][SPACE] = replace(self.spaces[number][SPACE], **changes)
