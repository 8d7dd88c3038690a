"""The engine API by the docker SDK, over a stream to the engine's socket. No TCP listener is needed."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import docker
import docker.errors
import requests.exceptions

from overweave.command import Secret
from overweave.errors import ConnectionProblem, EngineError
from overweave.model import Archive, Host
from overweave.ports import Json, Recorder, unrecorded
from overweave.printable import one_line

from . import image_archive
from .http_stream import EndlessAnswer, OpenStream, StreamAdapter, recorded

SECONDS = 120
"""The longest that one call may stay silent: pulling, loading or unpacking an image on a slow disk."""
CHUNK = 1 << 18
LISTEN = "0.0.0.0:2377"
VXLAN = 4789


class _Client(docker.APIClient):  # type: ignore[misc]
    """The SDK's client, with the one adapter that knows the way."""

    def __init__(self, adapter: StreamAdapter) -> None:
        self._adapter = adapter
        super().__init__(base_url="tcp://localhost:2375", version="auto", timeout=SECONDS)

    def get_adapter(self, url: str) -> StreamAdapter:
        return self._adapter

    def send_json(self, path: str, body: Mapping[str, Json], **params: Any) -> Json:
        response = self._post_json(self._url(path), data=dict(body), params=params)
        return self._result(response, json=bool(response.content))


class EngineApi:
    """`Engine` over a stream. It connects, and agrees on an API version, at the first call."""

    def __init__(self, open_stream: OpenStream, host: Host, record: Recorder = unrecorded) -> None:
        self._adapter = StreamAdapter(open_stream, timeout=SECONDS)
        self._host = host
        self._record = record
        self._made: _Client | None = None
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def _call(self, doing: str, *, fine: tuple[int, ...] = ()) -> Iterator[_Client]:
        """``fine``: the statuses of an answer that says that there is nothing to do."""
        try:
            with recorded(self._record, self._host.name, f"engine: {doing}"), self._mapped(doing) as client:
                yield client
        except EngineError as e:
            if e.status not in fine:
                raise

    @contextlib.contextmanager
    def _mapped(self, doing: str) -> Iterator[_Client]:
        try:
            with self._lock:
                if self._made is None:
                    self._made = _Client(self._adapter)
            yield self._made
        except docker.errors.APIError as e:
            status = e.response.status_code if e.response is not None else 0
            text = one_line(e.explanation or str(e))
            raise EngineError(f"{doing}: {text}", status=status, host=self._host.name) from e
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as e:
            raise EngineError(
                f"{doing}: the engine's answer makes no sense: {type(e).__name__}: {one_line(e, 200)}",
                host=self._host.name,
            ) from e
        except (docker.errors.DockerException, requests.exceptions.RequestException, OSError, EOFError) as e:
            cause = next((c for c in _chain(e) if isinstance(c, ConnectionProblem | EndlessAnswer)), None)
            if isinstance(cause, ConnectionProblem):
                raise cause from e
            if cause is not None:
                raise EngineError(f"{doing}: the engine gives {cause}", host=self._host.name) from e
            raise EngineError(
                f"{doing}: the engine does not answer",
                host=self._host.name,
                hint="see `systemctl status docker` and `journalctl -u docker` on the host",
            ) from e

    def prepare(self) -> None:
        with contextlib.suppress(ConnectionProblem):
            self._adapter.prepare()

    def version(self) -> Json:
        with self._call("asking for the version") as client:
            return client.version()

    def info(self) -> Json:
        with self._call("asking for its state") as client:
            return client.info()

    def networks(self) -> list[Json]:
        with self._call("listing networks") as client:
            return list(client.networks())

    def network(self, name: str) -> Json:
        with self._call(f"looking at network {name}") as client:
            return client.inspect_network(name)

    def containers(self) -> list[Json]:
        with self._call("listing containers") as client:
            return list(client.containers(all=True))

    def container(self, name: str) -> Json:
        with self._call(f"looking at container {name}") as client:
            return client.inspect_container(name)

    def images(self) -> list[Json]:
        with self._call("listing images") as client:
            return list(client.images())

    def volumes(self) -> list[Json]:
        with self._call("listing volumes") as client:
            return list(client.volumes()["Volumes"] or [])

    def hang_up(self) -> None:
        self._adapter.hang_up()

    def load_image(self, image: str, archive: Archive, sent: Callable[[int, int], None]) -> None:
        saved = image_archive.verify(image, archive)
        try:
            data = _read(archive, sent)
            with self._call(f"loading image {image}") as client:
                if saved:
                    for answer in client.load_image(data, quiet=True):
                        if "error" in answer:
                            raise EngineError(
                                f"loading image {image}: {one_line(answer['error'])}", host=self._host.name
                            )
                else:
                    client.import_image_from_data(data, repository=image, changes=_changes(archive))
        except OSError as e:
            raise image_archive.unreadable(image, archive, e) from e
        if image not in self._tags():
            raise image_archive.holds_another(image, archive)

    def _tags(self) -> set[str]:
        return {tag for image in self.images() for tag in image.get("RepoTags") or ()}

    def pull_image(self, image: str) -> None:
        repository, _, tag = (
            image.rpartition(":") if ":" in image.rsplit("/", 1)[-1] else (image, "", "latest")
        )
        with self._call(f"pulling image {image}") as client:
            client.pull(repository, tag=tag)

    def remove_image(self, image: str) -> None:
        with self._call(f"removing image {image}") as client:
            client.remove_image(image)

    def create_container(self, name: str, spec: Mapping[str, Json]) -> str:
        with self._call(f"creating container {name}") as client:
            return str(client.send_json("/containers/create", spec, name=name)["Id"])

    def start_container(self, name: str) -> None:
        with self._call(f"starting container {name}") as client:
            client.start(name)

    def stop_container(self, name: str) -> None:
        with self._call(f"stopping container {name}") as client:
            client.stop(name)

    def remove_container(self, name: str) -> None:
        # 409: "removal of container … is already in progress", which ends the same way.
        with self._call(f"removing container {name}", fine=(404, 409)) as client:
            client.remove_container(name, force=True, v=True)

    def end_container(self, name: str) -> None:
        try:
            with self._call(f"ending container {name}", fine=(404,)) as client:
                client.kill(name)
                client.wait(name, condition="removed")
        except EngineError as e:
            if e.status != 409:
                raise
            self.remove_container(name)  # it does not run: created and never started

    def create_network(self, spec: Mapping[str, Json]) -> str:
        with self._call(f"creating network {spec['Name']}") as client:
            return str(client.send_json("/networks/create", spec)["Id"])

    def remove_network(self, name: str) -> None:
        with self._call(f"removing network {name}") as client:
            client.remove_network(name)

    def disconnect(self, network: str, endpoint: str) -> None:
        with self._call(f"disconnecting {endpoint} from network {network}") as client:
            client.disconnect_container_from_network(endpoint, network, force=True)

    def connect(self, network: str, container: str, settings: Mapping[str, Json]) -> None:
        with self._call(f"connecting {container} to network {network}") as client:
            body = {"Container": container, "EndpointConfig": dict(settings)}
            client.send_json(f"/networks/{network}/connect", body)

    def remove_volume(self, name: str) -> None:
        with self._call(f"removing volume {name}") as client:
            client.remove_volume(name)

    def nodes(self) -> list[Json]:
        with self._call("listing the swarm's nodes") as client:
            return list(client.nodes())

    def cluster(self) -> Json:
        with self._call("looking at the swarm") as client:
            return {key: value for key, value in client.inspect_swarm().items() if key != "JoinTokens"}

    def services(self) -> list[Json]:
        with self._call("listing services") as client:
            return list(client.services())

    def service(self, id_: str) -> Json:
        with self._call(f"looking at service {id_}") as client:
            return client.inspect_service(id_)

    def tasks(self, service: str) -> list[Json]:
        with self._call(f"listing the tasks of service {service}") as client:
            return list(client.tasks(filters={"service": service, "desired-state": "running"}))

    def init_swarm(self, address: str, *, port: int, pool: str = "") -> None:
        body = {"ListenAddr": LISTEN, "AdvertiseAddr": address, "DataPathAddr": address}
        # Engines before 19.03 know neither, and refuse what they don't know.
        more: dict[str, Json] = {"DataPathPort": port} if port != VXLAN else {}
        if pool:
            more |= {"DefaultAddrPool": [pool], "SubnetSize": 24}
        with self._call("beginning a swarm") as client:
            client.send_json("/swarm/init", body | more)

    def take_over_swarm(self, address: str) -> None:
        body = {"ListenAddr": LISTEN, "AdvertiseAddr": address, "DataPathAddr": address}
        with self._call("taking the swarm over") as client:
            client.send_json("/swarm/init", body | {"ForceNewCluster": True})

    def join_token(self, *, manager: bool) -> Secret:
        with self._call("asking for a join token") as client:
            return Secret(client.inspect_swarm()["JoinTokens"]["Manager" if manager else "Worker"])

    def join_swarm(self, address: str, remotes: Sequence[str], token: Secret) -> None:
        body = {
            "ListenAddr": LISTEN,
            "AdvertiseAddr": address,
            "DataPathAddr": address,
            "RemoteAddrs": list(remotes),
            "JoinToken": token.reveal(),
        }
        with self._call("joining the swarm") as client:
            client.send_json("/swarm/join", body)

    def leave_swarm(self) -> None:
        # 503: "This node is not part of a swarm".
        with self._call("leaving the swarm", fine=(503,)) as client:
            client.leave_swarm(force=True)

    def change_node(self, node: str, version: int, spec: Mapping[str, Json]) -> None:
        with self._call(f"changing the node {node}") as client:
            client.send_json(f"/nodes/{node}/update", spec, version=version)

    def remove_node(self, node: str) -> None:
        with self._call(f"removing the node {node}", fine=(404,)) as client:
            client.remove_node(node, force=True)

    def change_cluster(
        self,
        version: int,
        spec: Mapping[str, Json],
        *,
        join_tokens: bool = False,
        unlock_key: bool = False,
    ) -> None:
        wanted = {
            "rotateWorkerToken": join_tokens,
            "rotateManagerToken": join_tokens,
            "rotateManagerUnlockKey": unlock_key,
        }
        asked = {name: "true" for name, on in wanted.items() if on}
        with self._call("changing the swarm") as client:
            client.send_json("/swarm/update", spec, version=version, **asked)

    def unlock_key(self) -> Secret:
        with self._call("asking for the unlock key") as client:
            return Secret(client.get_unlock_key()["UnlockKey"])

    def unlock_swarm(self, key: Secret) -> None:
        with self._call("unlocking the swarm") as client:
            client.send_json("/swarm/unlock", {"UnlockKey": key.reveal()})

    def create_service(self, spec: Mapping[str, Json]) -> str:
        with self._call(f"creating service {spec['Name']}") as client:
            return str(client.send_json("/services/create", spec)["ID"])

    def remove_service(self, id_: str) -> None:
        with self._call(f"removing service {id_}", fine=(404,)) as client:
            client.remove_service(id_)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _changes(archive: Archive) -> list[str]:
    """A plain tar carries no metadata: what the inventory gives for it, as Dockerfile lines."""
    given = {"ENTRYPOINT": archive.entrypoint, "CMD": archive.command}
    return [f"{key} {json.dumps(list(words))}" for key, words in given.items() if words]


def _read(archive: Archive, sent: Callable[[int, int], None]) -> Iterator[bytes]:
    size, done = archive.path.stat().st_size, 0
    with archive.path.open("rb") as file:
        while chunk := file.read(CHUNK):
            done += len(chunk)
            sent(done, size)
            yield chunk
