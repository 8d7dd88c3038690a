"""A swarm of fake engines: what its managers agree on. Texts and states are those of Docker 20.10 and 26."""

from __future__ import annotations

import itertools

from overweave.command import Secret

NO_SWARM = (
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node '
    "to swarm and try again."
)
A_WORKER = (
    "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state. Please "
    "run this command on a manager node or promote the current node to a manager."
)
IN_ONE = (
    'This node is already part of a swarm. Use "docker swarm leave" to leave this swarm and join another one.'
)
LATER = (
    "Timeout was reached before node joined. The attempt to join the swarm will continue in the background. "
    'Use the "docker info" command to see the current swarm status of your node.'
)
_ids = itertools.count(1)


def tls(authority):
    return {
        "TrustRoot": f"{authority} in PEM\n",
        "CertIssuerSubject": "MBM=",
        "CertIssuerPublicKey": authority,
    }


class FakeSwarm:
    """``nodes``: what managers list, by id."""

    def __init__(self):
        self.id = f"cluster{next(_ids)}"
        self.tokens = {kind: f"SWMTKN-1-{self.id}-{kind}" for kind in ("manager", "worker")}
        self.nodes, self.services = {}, {}
        self.refuses_tasks = ""
        self.version = 11
        self.spec = {"Name": "default", "Labels": {}, "CAConfig": {"NodeCertExpiry": 7776 * 10**12}}
        self.authority, self.next, self.renewing = "authority1", "", 0
        self.key = ""
        self.slow = 0

    @property
    def managers(self):
        return [n for n in self.nodes.values() if n["Spec"]["Role"] == "manager"]

    def add(self, name, address, role):
        node = {
            "ID": f"node{next(_ids)}",
            "Version": {"Index": 9},
            "Spec": {"Labels": {}, "Role": role, "Availability": "active"},
            "Description": {"Hostname": name, "TLSInfo": tls(self.authority)},
            "Status": {"State": "ready", "Addr": address},
        }
        self.nodes[node["ID"]] = node
        self.settle()
        return node["ID"]

    def settle(self):
        """Who manages, and who leads: the first."""
        for node in self.nodes.values():
            node.pop("ManagerStatus", None)
        for node in self.managers:
            address = f"{node['Status']['Addr']}:2377"
            alive = node["Status"]["State"] == "ready"
            status = {"Reachability": "reachable" if alive else "unreachable", "Addr": address}
            first = next((n for n in self.managers if n["Status"]["State"] == "ready"), None)
            node["ManagerStatus"] = {"Leader": True} | status if node is first else status

    def rotate(self):
        """Begin with another authority: nodes that are there get its certificates, one at each look, and
        not before ``slow`` looks."""
        self.next, self.renewing = f"authority{int(self.authority[9:]) + 1}", self.slow

    def go_on(self):
        if not self.next:
            return
        if self.renewing:
            self.renewing -= 1
            return
        old = [n for n in self.nodes.values() if n["Description"]["TLSInfo"] != tls(self.next)]
        there = [n for n in old if n["Status"]["State"] == "ready"]
        if there:
            there[0]["Description"] = {**there[0]["Description"], "TLSInfo": tls(self.next)}
        elif not old:
            self.authority, self.next = self.next, ""

    def lose(self, node):
        """Its engine has left, or is off."""
        if node in self.nodes:
            self.nodes[node]["Status"] = {**self.nodes[node]["Status"], "State": "down"}
            self.settle()


class SwarmPart:
    """The part of a fake engine that is about swarms. ``wire``: address:port -> the swarm of who listens.

    ``joins_late``: how often it is asked for its state after a join until it is in; None: at once.
    """

    def __init__(self, wire):
        self.swarm, self.node, self.wire = None, "", {} if wire is None else wire
        self.joins_late, self._pending = None, None
        self.locked = None

    def _swarm_info(self):
        if self._pending is not None and self.joins_late == 0:
            self._enter(*self._pending)
        elif self._pending is not None:
            self.joins_late -= 1
        if self.locked is not None:
            return {"NodeID": "", "NodeAddr": self._address, "LocalNodeState": "locked"}
        if self.swarm is None:
            state = "inactive" if self._pending is None else "pending"
            nothing = {"NodeID": "", "NodeAddr": "", "ControlAvailable": False, "Error": ""}
            return nothing | {"LocalNodeState": state, "RemoteManagers": None}
        its = self.swarm.nodes.get(self.node)
        manager = its is not None and its["Spec"]["Role"] == "manager"
        found = {
            "NodeID": self.node,
            "NodeAddr": self._address,
            "LocalNodeState": "active",
            "ControlAvailable": manager,
            "Error": "",
            "RemoteManagers": [
                {"NodeID": n["ID"], "Addr": n["ManagerStatus"]["Addr"]} for n in self.swarm.managers
            ],
        }
        return found | {"Cluster": {"ID": self.swarm.id, "DataPathPort": self._port}} if manager else found

    def _managed(self, refuse):
        if self.swarm is None:
            refuse(503, NO_SWARM)
        if self.swarm.nodes[self.node]["Spec"]["Role"] != "manager":
            refuse(503, A_WORKER)
        return self.swarm

    def nodes(self):
        with self._call("listing the swarm's nodes") as refuse:
            return [dict(node) for node in self._managed(refuse).nodes.values()]

    def cluster(self):
        with self._call("looking at the swarm") as refuse:
            its = self._managed(refuse)
            its.go_on()
            return {
                "ID": its.id,
                "Version": {"Index": its.version},
                "Spec": its.spec,
                "TLSInfo": tls(its.authority),
                "RootRotationInProgress": bool(its.next),
            }

    def change_cluster(self, version, spec, *, join_tokens=False, unlock_key=False):
        with self._call("changing the swarm") as refuse:
            its = self._managed(refuse)
            if version != its.version:
                refuse(500, "rpc error: code = Unknown desc = update out of sequence")
            if not spec.get("Name") or not spec.get("CAConfig"):
                refuse(400, "a specification without what it had is taken for one that is to lose it")
            if spec["CAConfig"].get("ForceRotate", 0) != its.spec["CAConfig"].get("ForceRotate", 0):
                its.rotate()
            locks = spec.get("EncryptionConfig", {}).get("AutoLockManagers", False)
            if locks != bool(its.key) or (unlock_key and locks):
                its.key = f"SWMKEY-1-{next(_ids)}" if locks else ""
            if join_tokens:
                its.tokens = {kind: f"SWMTKN-1-{next(_ids)}-{kind}" for kind in its.tokens}
            its.spec, its.version = dict(spec), its.version + 3

    def unlock_key(self):
        with self._call("asking for the unlock key") as refuse:
            return Secret(self._managed(refuse).key)

    def unlock_swarm(self, key):
        with self._call("unlocking the swarm") as refuse:
            if self.locked is None:
                refuse(409, "swarm is not locked")
            if key.reveal() != self.locked[0].key:
                refuse(400, "swarm could not be unlocked: invalid key provided")
            (self.swarm, self.node), self.locked = self.locked, None
            self.swarm.nodes[self.node]["Status"]["State"] = "ready"
            self.swarm.settle()

    def lock(self):
        """Its engine has started anew, in a swarm whose managers lock themselves."""
        self.swarm.lose(self.node)
        self.locked, self.swarm, self.node = (self.swarm, self.node), None, ""

    def init_swarm(self, address, *, port, pool=""):
        with self._call("beginning a swarm") as refuse:
            if self.swarm is not None:
                refuse(503, IN_ONE)
            assert port, "none is the engine's own choice"
            self._enter(FakeSwarm(), address, "manager")
            self._port = port

    def _enter(self, swarm, address, role):
        self.swarm, self._address, self._port, self._pending = swarm, address, 4789, None
        self.node = swarm.add(self._where, address, role)
        self.wire[f"{address}:2377"] = swarm

    def take_over_swarm(self, address):
        with self._call("taking the swarm over") as refuse:
            if self.swarm is None:
                self._enter(FakeSwarm(), address, "manager")
            its = self._managed(refuse)
            assert address == self._address
            for id_, node in its.nodes.items():
                if id_ != self.node:
                    node["Spec"] = {**node["Spec"], "Role": "worker"}
            its.settle()

    def join_token(self, *, manager):
        with self._call("asking for a join token") as refuse:
            return Secret(self._managed(refuse).tokens["manager" if manager else "worker"])

    def join_swarm(self, address, remotes, token):
        with self._call("joining the swarm") as refuse:
            if self.swarm is not None:
                refuse(503, IN_ONE)
            if not token.reveal().startswith("SWMTKN-1-"):
                refuse(500, "invalid join token")
            there = next((self.wire[r] for r in remotes if r in self.wire), None)
            if there is None:
                refuse(503, f"rpc error: code = Unavailable desc = connection error: {remotes[0]}: refused")
            role = next((kind for kind, its in there.tokens.items() if its == token.reveal()), None)
            if role is None:
                refuse(500, "rpc error: code = InvalidArgument desc = A valid join token is necessary")
            if self.joins_late is not None:
                self._pending = (there, address, role)
                refuse(503, LATER)
            self._enter(there, address, role)

    def leave_swarm(self):
        with self._call("leaving the swarm"):
            if self.swarm is not None:
                self.swarm.lose(self.node)
                self.wire.pop(f"{self._address}:2377", None)
            self.swarm, self.node, self._pending = None, "", None
            self._networks = {n: its for n, its in self._networks.items() if its.get("Scope") != "swarm"}

    def change_node(self, node, version, spec):
        with self._call(f"changing the node {node}") as refuse:
            swarm = self._managed(refuse)
            if node not in swarm.nodes:
                refuse(404, f"node {node} not found")
            its = swarm.nodes[node]
            if its["Version"]["Index"] != version:
                refuse(500, "rpc error: code = Unknown desc = update out of sequence")
            if spec["Role"] not in ("manager", "worker"):
                refuse(400, f'invalid Role: "{spec["Role"]}"')
            if spec["Role"] == "worker" and swarm.managers == [its]:
                refuse(
                    400,
                    "rpc error: code = FailedPrecondition desc = attempting to demote the last manager of "
                    "the swarm",
                )
            swarm.nodes[node] = its | {"Spec": dict(spec), "Version": {"Index": version + 2}}
            swarm.settle()

    def services(self):
        with self._call("listing services") as refuse:
            return list(self._managed(refuse).services.values())

    def service(self, id_):
        with self._call(f"looking at service {id_}") as refuse:
            if id_ not in self._managed(refuse).services:
                refuse(404, f"service {id_} not found")
            return self.swarm.services[id_]

    def tasks(self, service):
        with self._call(f"listing the tasks of service {service}") as refuse:
            mode = self._managed(refuse).services[service]["Spec"]["EndpointSpec"]["Mode"]
            status = {"State": "running", "PortStatus": {}}
            if mode == "dnsrr":
                status["PortStatus"] = {"Ports": [{"PublishedPort": 32768, "PublishMode": "host"}]}
            if self.swarm.refuses_tasks:
                status = {"State": "rejected", "Err": self.swarm.refuses_tasks}
            return [
                {"ID": f"task{n}", "NodeID": node, "Status": status}
                for n, node in enumerate(self.swarm.nodes)
            ]

    def create_service(self, spec):
        with self._call(f"creating service {spec['Name']}") as refuse:
            swarm = self._managed(refuse)
            if spec["Name"] in {its["Spec"]["Name"] for its in swarm.services.values()}:
                refuse(409, "rpc error: code = AlreadyExists desc = name conflicts with an existing object")
            id_ = f"service{next(_ids)}"
            ports = [{**its, "PublishedPort": 30000} for its in spec["EndpointSpec"]["Ports"]]
            swarm.services[id_] = {"ID": id_, "Spec": dict(spec), "Endpoint": {"Ports": ports}}
            return id_

    def remove_service(self, id_):
        with self._call(f"removing service {id_}") as refuse:
            self._managed(refuse).services.pop(id_, None)

    def remove_node(self, node):
        with self._call(f"removing the node {node}") as refuse:
            swarm = self._managed(refuse)
            if swarm.nodes.get(node) in swarm.managers:
                refuse(
                    400,
                    f"rpc error: code = FailedPrecondition desc = node {node} is a cluster manager and is a "
                    "member of the raft cluster. It must be demoted to worker before removal",
                )
            swarm.nodes.pop(node, None)
