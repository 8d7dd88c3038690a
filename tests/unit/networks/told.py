"""What hosts told of their networks, as captured from real ones, and with one thing changed at a time.

Of Docker 20.10.5 with a key-value overlay. host1 has web on it with sidecar in its sandbox, bare in the
host's network, lone in none, db on the bridges shop and bridge, and old, stopped, on shop; host2 has its
anchor alone. swarm1 manages a swarm of two hosts: a service with a published port, and a container on an
attachable, encrypted network.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from overweave.command import Result
from overweave.facts import networks
from overweave.facts.engine import NetworkFact
from overweave.facts.networks import HostNetworks, NetworkSeen, Plug
from overweave.model import Access, Host
from overweave.networking import overview
from overweave.render import script

CAPTURED = json.loads((Path(__file__).parent / "captured.json").read_text())


class Told:
    """A host with these answers to the queries of `networks.look`: text, or (status, stdout, stderr)."""

    def __init__(self, name="host1", **answers):
        self.host = Host(name, Access("10.0.0.1"))
        self.trips = 0
        self._answers = CAPTURED.get(name, {}) | answers

    def ask(self, *queries):
        self.trips += 1
        return tuple(self._answer(query) for query in queries)

    def _answer(self, query):
        _, _, text, _, mark, *more = query.words
        if text == script("look-at-networks.sh"):
            what, mark = "networks", "MARK"
        elif text == script("look-at-containers.sh"):
            what = "containers"
        else:
            assert text == script("look-at-namespaces.sh")
            what = "links" if more[0] == "links" else "overlays"
        answer = self._answers[what]
        status, out, err = answer if isinstance(answer, tuple) else (0, answer, "")
        return Result(query, status, out.replace("MARK", mark), err)


def looked(name="host1", *, devices=True, **answers):
    return networks.look(Told(name, **answers), devices=devices)


def fleet(*seen, network="", devices=True):
    """The overview of some hosts."""
    by_name = {its.host: its for its in seen}
    problems = {name: its.problems for name, its in by_name.items() if its.problems}
    return overview(tuple(by_name), by_name, problems, network=network, devices=devices)


def network(name, id, *, driver="bridge", scope="local", subnets=("172.17.0.0/16",), plugs=(), **more):
    fact = NetworkFact(id, name, driver, scope, subnets, more.pop("options", {}), **more)
    return NetworkSeen(fact, tuple(plugs))


def plug(number, holder="ingress-sbox", name=""):
    return Plug(f"{number:064x}", name or f"p{number}", holder, "", "")


def host(name, *its):
    """A host with these networks and without containers."""
    return HostNetworks(name, its, ())


def with_links(seen, space, change):
    """With the links of one namespace changed: ``change`` gives another link, None for one that is gone."""
    was = seen.namespaces[space]
    links = tuple(new for link in was.links if (new := change(link)) is not None)
    return replace(seen, namespaces={**seen.namespaces, space: replace(was, links=links)})
