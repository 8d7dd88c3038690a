"""A world without hosts: stateful, and refusing what it does not know. The contract suite holds it to
what real hosts, engines and stores do.

Commands run for real, in a folder that stands for the host's disk, with a PATH of a few plain programs and
of stubs for systemctl and journalctl. Engines, stores and gossip are kept in memory.
"""

from __future__ import annotations

import hashlib
import io
import json
import shlex
import shutil
import socket
import subprocess
import tarfile
import threading
from contextlib import contextmanager

from tests.contract.swarms import NO_SWARM, SwarmPart

from overweave.command import Result, Secret
from overweave.errors import (
    CommandFailed,
    ConnectionProblem,
    EngineError,
    Interrupted,
    StoreError,
    UsageError,
)

PROGRAMS = [
    "sh",
    "cat",
    "mkdir",
    "dirname",
    "chmod",
    "mv",
    "rm",
    "rmdir",
    "sync",
    "true",
    "printf",
    "echo",
    "sha256sum",
    "head",
    "grep",
    "sed",
    "stat",
    "test",
    "ls",
    "wc",
    "timeout",
    "ln",
    "tr",
    "tail",
    "flock",
]
SYSTEMCTL = """\
#!/bin/sh
case "$1 $2" in
"daemon-reload "|"reset-failed docker.service"|"stop docker.service") ;;
"restart docker.service"|"start docker.service")
    [ ! -e "$ROOT/wont-start" ] || { echo "Job for docker.service failed." >&2; exit 1; } ;;
"--quiet is-enabled") [ -e "$ROOT/enabled" ]; exit ;;
"--no-block restart") ;;
"show -p") cat "$ROOT/shown" 2>/dev/null || printf 'MainPID=7\nNRestarts=0\nActiveState=active\n'; exit ;;
*) echo "Unknown operation $*." >&2; exit 1 ;;
esac
echo "$*" >> "$ROOT/systemctl.log"
"""
JOURNALCTL = """\
#!/bin/sh
[ "$*" = "-u docker.service -o cat -n 8 --no-pager" ] || { echo "unrecognized option: $*" >&2; exit 1; }
cat "$ROOT/wont-start"
"""


DOCKER = """\
#!/bin/sh
[ "$1" = version ] || { echo "docker: unknown command: $*" >&2; exit 1; }
[ ! -e "$ROOT/wont-start" ]
"""


class FakeClock:
    """Time that passes only in pauses. ``interrupt_after``: pauses after which the run is cancelled."""

    def __init__(self, interrupt_after=None):
        self.started = self.now = 1000.0
        self.pauses = []
        self._interrupt_after = interrupt_after

    def monotonic(self):
        return self.now

    def pause(self, seconds):
        assert seconds > 0
        self.pauses.append(seconds)
        self.now += seconds
        if self._interrupt_after is not None and len(self.pauses) >= self._interrupt_after:
            raise Interrupted("interrupted")


class FakeHost:
    """A `Writer` over a folder. ``listens``: (address, port) -> what makes a stream."""

    def __init__(self, host, root, engine=None):
        self.host, self.root = host, root
        self.reached_at = host.access.address
        self.engine = engine or FakeEngine(host.name)
        self.listens = {}
        self.restarts = 0
        self.gone = False
        programs = root / "bin"
        programs.mkdir(parents=True)
        for program in PROGRAMS:
            (programs / program).symlink_to(shutil.which(program))
        for name, text in (("systemctl", SYSTEMCTL), ("journalctl", JOURNALCTL), ("docker", DOCKER)):
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)

    def path(self, path):
        """Where a path of the host is on this machine."""
        return self.root / "disk" / path.lstrip("/")

    def ask(self, *queries):
        return tuple(self._run(query) for query in queries)

    def do(self, change):
        result = self._run(change)
        log = self.root / "systemctl.log"
        restarts = log.read_text().count("restart docker.service") if log.exists() else 0
        if restarts > self.restarts:
            self.restarts = restarts
            self.engine.restart()
        if not result.ok:
            raise CommandFailed(str(change), result.status, result.output, host=self.host.name)
        return result

    def start(self, command):
        self._connected()
        ours, its = socket.socketpair()
        subprocess.Popen(
            ["sh", "-c", shlex.join(self._words(command))],
            stdin=its,
            stdout=its,
            stderr=subprocess.DEVNULL,
            **self._place(),
        )
        its.close()
        ours.sendall(command.stdin_bytes())
        return ours

    def stream(self, address, port):
        self._connected()
        if (address, port) not in self.listens:
            raise ConnectionProblem(
                f"no connection to {address} port {port} from the host: refused", host=self.host.name
            )
        return self.listens[address, port]()

    def _connected(self):
        if self.gone:
            raise ConnectionProblem("the ssh connection is gone", host=self.host.name)

    def _words(self, command):
        # Only arguments of a script are paths of the host; the script itself must not name any.
        return [str(self.path(w)) if i > 3 and w.startswith("/") else w for i, w in enumerate(command.words)]

    def _place(self):
        return {"env": {"PATH": str(self.root / "bin"), "ROOT": str(self.root)}, "cwd": self.root}

    def _run(self, command):
        self._connected()
        done = subprocess.run(
            ["sh", "-c", shlex.join(self._words(command))],
            input=command.stdin_bytes(),
            capture_output=True,
            **self._place(),
        )
        return Result(
            command,
            done.returncode,
            done.stdout.decode(errors="replace"),
            done.stderr.decode(errors="replace"),
        )


class FakeEngine(SwarmPart):
    """An engine's containers, networks, images and volumes. ``registry``: images that can be pulled.
    ``wire``: where engines that share it find each other's swarms.

    After a restart it answers nobody who has not hung up: kept connections are dead.
    """

    PREDEFINED = ("bridge", "host", "none")

    def __init__(self, where="h", registry=(), subnet="10.211.0", wire=None):
        super().__init__(wire)
        self._where, self._registry = where, set(registry)
        self._lock = threading.RLock()
        self._containers, self._images, self._volumes = {}, set(), set()
        self._networks = {n: {"Driver": n, "IPAM": {"Config": []}, "Options": {}} for n in self.PREDEFINED}
        self._stale, self._ids, self._subnet = False, 0, subnet
        self.left_behind = set()  # (network, name): endpoints in the store that no container has
        self.calls = []

    def restart(self):
        self._stale = True
        for container in self._containers.values():
            container["running"] = container["spec"].get("HostConfig", {}).get("RestartPolicy", {}) == {
                "Name": "always"
            }

    def hang_up(self):
        self._stale = False

    def prepare(self):
        pass

    @contextmanager
    def _call(self, doing):
        with self._lock:
            self.calls.append(doing)
            if self._stale:
                raise EngineError(f"{doing}: the engine does not answer", host=self._where)

            def refuse(status, text):
                raise EngineError(f"{doing}: {text}", status=status, host=self._where)

            yield refuse

    def _id(self):
        self._ids += 1
        return f"{self._ids:064x}"

    def version(self):
        with self._call("asking for the version"):
            return {"Version": "20.10.5+dfsg1", "ApiVersion": "1.41"}

    def info(self):
        with self._call("asking for its state"):
            its = {"ServerVersion": "20.10.5+dfsg1", "Name": self._where}
            return its | {"Swarm": self._swarm_info()}

    def networks(self):
        with self._call("listing networks"):
            return [self._network(n) for n in self._networks]

    def network(self, name):
        with self._call(f"looking at network {name}") as refuse:
            if name not in self._networks:
                refuse(404, f"network {name} not found")
            return self._network(name)

    def _network(self, name):
        spec = self._networks[name]
        joined = {
            c["id"]: {"Name": n} for n, c in self._containers.items() if c["running"] and name in c["joined"]
        }
        joined |= {f"ep-{n}": {"Name": n} for on, n in self.left_behind if on == name}
        return {"Name": name, "Id": spec.get("id", name), "Scope": "local", "Containers": joined} | spec

    def containers(self):
        with self._call("listing containers"):
            return [
                {
                    "Names": [f"/{name}"],
                    "Image": c["spec"]["Image"],
                    "State": "running" if c["running"] else "created" if c["fresh"] else "exited",
                    "Labels": dict(c["spec"].get("Labels") or {}),
                }
                for name, c in self._containers.items()
            ]

    def container(self, name):
        with self._call(f"looking at container {name}") as refuse:
            c = self._find(name, refuse)
            return {
                "Id": c["id"],
                "Name": f"/{name}",
                "State": {"Running": c["running"], "Pid": 1000 + int(c["id"], 16) if c["running"] else 0},
                "HostConfig": {"RestartPolicy": c["spec"].get("HostConfig", {}).get("RestartPolicy", {})},
                "NetworkSettings": {"Networks": {n: {"IPAddress": a} for n, a in c["joined"].items()}},
            }

    def _find(self, name, refuse):
        if name not in self._containers:
            refuse(404, f"No such container: {name}")
        return self._containers[name]

    def images(self):
        with self._call("listing images"):
            return [{"RepoTags": [image]} for image in sorted(self._images)]

    def volumes(self):
        with self._call("listing volumes"):
            return [{"Name": v} for v in sorted(self._volumes)]

    def load_image(self, image, archive, sent):
        hint = f"make it with `docker save -o {archive.path.name} {image}`"
        with self._call(f"loading image {image}"):
            try:
                with tarfile.open(archive.path) as tar:
                    names = {m.name.lstrip("./"): m for m in tar}
                    if "manifest.json" in names:
                        manifest = json.load(tar.extractfile(names["manifest.json"]))
                        self._images |= {tag for entry in manifest for tag in entry["RepoTags"]}
                    else:
                        self._images.add(image)
                size = archive.path.stat().st_size
                sent(size, size)
            except (OSError, tarfile.TarError) as e:
                reason = e.strerror if isinstance(e, OSError) and e.strerror else e
                raise UsageError(f"image archive {archive.path}: {reason}", hint=hint) from e
            if image not in self._images:
                raise UsageError(f"image archive {archive.path} does not hold {image}", hint=hint)

    def pull_image(self, image):
        with self._call(f"pulling image {image}") as refuse:
            if image not in self._registry:
                refuse(500, "Get https://registry-1.docker.io/v2/: dial tcp: lookup registry-1.docker.io")
            self._images.add(image)

    def remove_image(self, image):
        with self._call(f"removing image {image}") as refuse:
            if image not in self._images:
                refuse(404, f"No such image: {image}")
            if any(c["spec"]["Image"] == image for c in self._containers.values()):
                refuse(409, f"conflict: unable to remove repository reference {image!r}")
            self._images.remove(image)

    def create_container(self, name, spec):
        with self._call(f"creating container {name}") as refuse:
            if spec["Image"] not in self._images:
                refuse(404, f"No such image: {spec['Image']}")
            if name in self._containers:
                refuse(409, f'Conflict. The container name "/{name}" is already in use.')
            made = {"id": self._id(), "spec": spec, "running": False, "fresh": True, "joined": {}}
            self._containers[name] = made
            self._volumes |= {b.split(":")[0] for b in spec.get("HostConfig", {}).get("Binds") or ()}
            return made["id"]

    def stop_container(self, name):
        with self._call(f"stopping container {name}") as refuse:
            self._find(name, refuse)["running"] = False

    def start_container(self, name):
        with self._call(f"starting container {name}") as refuse:
            c = self._find(name, refuse)
            if c["running"]:
                return
            network = c["spec"].get("HostConfig", {}).get("NetworkMode", "bridge")
            beside = network.removeprefix("container:")
            if beside != network:
                if not self._find(beside, refuse)["running"]:
                    refuse(409, f"cannot join network of a non running container: {beside}")
            elif network not in self._networks:
                refuse(404, f"network {network} not found")
            elif (network, name) in self.left_behind:
                refuse(403, f"endpoint with name {name} already exists in network {network}")
            else:
                c["joined"] = {network: f"{self._subnet}.{len(self._containers) + 1}"}
            c["running"], c["fresh"] = True, False

    def remove_container(self, name):
        with self._call(f"removing container {name}"):
            self._containers.pop(name, None)

    def end_container(self, name):
        with self._call(f"ending container {name}"):
            c = self._containers.get(name)
            if c is not None:
                assert c["spec"]["HostConfig"]["AutoRemove"], "it would never be gone"
                del self._containers[name]

    def create_network(self, spec):
        name = spec["Name"]
        with self._call(f"creating network {name}") as refuse:
            if spec.get("Attachable") and self.swarm is None:
                refuse(500, NO_SWARM)
            if name in self._networks:
                refuse(409, f"network with name {name} already exists")
            made = {
                "id": self._id(),
                "Driver": spec["Driver"],
                "IPAM": spec["IPAM"],
                "Options": dict(spec.get("Options") or {}),
            }
            if spec.get("Attachable"):
                made |= {"Scope": "swarm", "Attachable": True}
            self._networks[name] = made
            return made["id"]

    def remove_network(self, name):
        with self._call(f"removing network {name}") as refuse:
            if name not in self._networks:
                refuse(404, f"network {name} not found")
            if name in self.PREDEFINED:
                refuse(403, f"{name} is a pre-defined network and cannot be removed")
            if self._network(name)["Containers"]:
                refuse(403, f"error while removing network: network {name} has active endpoints")
            del self._networks[name]

    def disconnect(self, network, endpoint):
        with self._call(f"disconnecting {endpoint} from network {network}") as refuse:
            stopped = not self._containers.get(endpoint, {"running": True})["running"]
            if network not in self._networks and not stopped:
                refuse(404, f"network {network} not found")
            if endpoint not in self._containers and (network, endpoint) in self.left_behind:
                self.left_behind.remove((network, endpoint))
            else:
                self._find(endpoint, refuse)["joined"].pop(network, None)

    def connect(self, network, container, settings):
        with self._call(f"connecting {container} to network {network}") as refuse:
            if network not in self._networks and self._find(container, refuse)["running"]:
                refuse(404, f"network {network} not found")
            joined = self._find(container, refuse)["joined"]
            if network in joined:
                refuse(403, f"container {container} is already attached to network {network}")
            self._ids += 1
            joined[network] = f"{self._subnet}.{100 + self._ids}"

    def remove_volume(self, name):
        with self._call(f"removing volume {name}") as refuse:
            if name not in self._volumes:
                refuse(404, f"get {name}: no such volume")
            for container in self._containers.values():
                if any(
                    b.split(":")[0] == name
                    for b in container["spec"].get("HostConfig", {}).get("Binds") or ()
                ):
                    refuse(409, f"remove {name}: volume is in use")
            self._volumes.remove(name)


MANAGEMENT = Secret("0d8ef0b2-1cbe-4b2b-9a52-6c2f0a6cf0a0")


class FakeStore:
    """A `ClusterStore` of one server. ``up`` False: nobody answers; ``elects_after``: how often it has no
    leader yet."""

    ID = "5fcfbcf7-bef0-2087-6aab-dfbfa514a002"

    def __init__(self, up=True, elects_after=0):
        self.up, self._wait, self._kept, self._held = up, elects_after, {}, {}
        self._catalog = {"h": (self.ID, "127.0.0.1")}
        self._granted, self.key = {"management": MANAGEMENT}, None
        self._others = {}

    def leader(self):
        self._wait -= self.up
        return "127.0.0.1:8300" if self.up and self._wait < 0 else ""

    def _answer(self, doing):
        if not self.up:
            raise StoreError(f"the store: {doing}: no answer", hint="see `docker logs consul` on its host")

    def keys(self, prefix):
        self._answer(f"listing {prefix}")
        return sorted(key for key in self._kept if key.startswith(prefix))

    def tree(self, prefix):
        self._answer(f"reading all of {prefix}")
        return {key: self._kept[key] for key in sorted(self._kept) if key.startswith(prefix)}

    def get(self, key):
        self._answer(f"reading {key}")
        return self._kept.get(key)

    def put(self, key, value):
        self._answer(f"writing {key}")
        self._kept[key] = value

    def swap(self, key, old, new):
        self._answer(f"changing {key}")
        if self._kept.get(key) != old:
            return False
        if new is None:
            self._kept.pop(key, None)
        else:
            self._kept[key] = new
        return True

    def agent(self):
        self._answer("asking the agent about itself")
        config = {"NodeName": "h", "NodeID": self.ID, "Version": "1.8.7", "Server": True}
        numbers = ("term", "last_log_index", "commit_index", "applied_index")
        raft = {"state": "Leader", "last_contact": "0", **dict.fromkeys(numbers, "7")}
        return {"Config": config, "Stats": {"raft": raft}}

    def members(self):
        self._answer("listing the agents")
        tags = {"role": "consul", "id": self.ID, "build": "1.8.7:"}
        return [
            {"Name": "h", "Addr": "127.0.0.1", "Status": 1, "Tags": tags},
            *(
                {"Name": name, "Addr": at, "Status": state, "Tags": {"role": "node", "id": id_}}
                for name, (id_, at, _, state) in self._others.items()
            ),
        ]

    def servers(self):
        self._answer("asking who votes")
        return [
            {"ID": self.ID, "Address": "127.0.0.1:8300", "Leader": True, "Voter": True},
            *(
                {"ID": id_, "Address": f"{at}:8300", "Leader": False, "Voter": True}
                for id_, at, server, _ in self._others.values()
                if server
            ),
        ]

    def servers_as_known(self):
        self._answer("asking who is to vote")
        return self.servers()

    def leave(self):
        self._answer("telling the agent to leave")
        self.up = False

    def catalog(self):
        self._answer("listing the catalog's nodes")
        return [{"ID": id_, "Node": name, "Address": at} for name, (id_, at) in self._catalog.items()]

    def sessions(self):
        self._answer("listing the sessions")
        return [{"ID": id_, "Node": "h", "TTL": "10s"} for id_ in self._held.values()]

    def hold(self, key, session):
        """As an engine's discovery does: the session's key goes with it."""
        self._kept[key], self._held[key] = b"", session

    def holders(self, prefix):
        self._answer(f"asking who holds {prefix}")
        return {key: session for key, session in self._held.items() if key.startswith(prefix)}

    def save(self):
        self._answer("making a snapshot")
        kept = {key: value.hex() for key, value in self._kept.items()}
        return snapshot(json.dumps([kept, self._held, self._catalog]).encode())

    def restore(self, saved):
        self._answer("restoring a snapshot")
        try:
            with tarfile.open(fileobj=io.BytesIO(saved)) as tar:
                kept, self._held, self._catalog = json.load(tar.extractfile("state.bin"))
        except tarfile.TarError as e:
            raise StoreError(f"the store: restoring a snapshot: status 500: {e}") from e
        self._kept = {key: bytes.fromhex(value) for key, value in kept.items()}

    def admits(self, token):
        self._answer("asking whether a token is known")
        return token in self._granted.values()

    def grant(self, name, rules, token):
        self._answer(f"granting access to {name}")
        self._granted[name] = token

    def gossip_with(self, key):
        self._answer("setting the gossip's key")
        self.key = key

    def register_anew(self, node, id_, address):
        self._answer(f"registering {node} anew")
        self._catalog[node] = (id_, address)
        for key in self._held:
            self._kept.pop(key)
        self._held = {}

    def join(self, name, address, *, server=False):
        """Another agent, of a host that is off."""
        self._others[name] = (f"id of {name}", address, server, 4)
        self._catalog[name] = (f"id of {name}", address)

    def force_leave(self, node):
        doing = f"taking the agent {node} out"
        self._answer(doing)
        if node not in self._others:
            raise StoreError(f"the store: {doing}: 500 agent: No node found with name '{node}'")
        self._others[node] = (*self._others[node][:3], 3)
        self._catalog.pop(node, None)

    def remove_server(self, id_):
        doing = f"taking the server {id_} out of raft"
        self._answer(doing)
        name = next((n for n, its in self._others.items() if its[0] == id_ and its[2]), None)
        if name is None:
            raise StoreError(f'the store: {doing}: 500 id "{id_}" was not found in the Raft configuration')
        self._others[name] = (*self._others[name][:2], False, self._others[name][3])


def snapshot(state=b"state", *, meta=None, sums=None, more=()):
    """What Consul's API gives: a gzipped tar of three files."""
    meta = (
        json.dumps({"Version": 1, "ID": "2-7-1", "Index": 7, "Term": 2, "Size": len(state)}).encode()
        if meta is None
        else meta
    )
    files = {"meta.json": meta, "state.bin": state}
    if sums is None:
        sums = "".join(
            f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in files.items()
        ).encode()
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        for name, data in (*files.items(), ("SHA256SUMS", sums), *more):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return made.getvalue()


def saved_image(path, *tags):
    """What `docker save` would write, as far as it is looked at."""
    with tarfile.open(path, "w") as tar:
        data = json.dumps([{"RepoTags": list(tags)}]).encode()
        info = tarfile.TarInfo("manifest.json")
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    return path
