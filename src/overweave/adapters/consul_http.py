"""The `ClusterStore` of a Consul, by py-consul, over a stream from a host that runs one of its agents."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import consul
import requests.exceptions
from consul.callback import CB

from overweave.command import Secret
from overweave.errors import ConnectionProblem, StoreError
from overweave.ports import Json, Recorder, unrecorded
from overweave.printable import one_line

from .http_stream import OpenStream, StreamAdapter, recorded

SECONDS = 10
RESTORE_SECONDS = 120
"""Consul answers when all of a snapshot is in place: 0.6 s for a small one (measured)."""


HEADER = "X-Consul-Token"


class _Answered(StoreError):
    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class ConsulHttp:
    """``where`` names the store in errors, as in ``Consul on host1``. ``token`` gives what is shown by the
    time of each call. ``logs``: the command that shows what it has said."""

    def __init__(
        self,
        open_stream: OpenStream,
        where: str,
        record: Recorder = unrecorded,
        token: Callable[[], Secret | None] = lambda: None,
        logs: str = "docker logs consul",
    ) -> None:
        self._logs = logs
        self._client = consul.Consul(host="localhost", connections_timeout=SECONDS)
        self._token = token
        self._client.http.session.mount("http://", StreamAdapter(open_stream, timeout=SECONDS))
        self._where = where
        self._record = record

    @contextlib.contextmanager
    def _call(self, doing: str) -> Iterator[consul.Consul]:
        with recorded(self._record, "", f"{self._where}: {doing}"), self._mapped(doing) as client:
            yield client

    @contextlib.contextmanager
    def _mapped(self, doing: str) -> Iterator[consul.Consul]:
        if token := self._token():
            # py-consul's own way leaves it out of several calls.
            self._client.http.session.headers[HEADER] = token.reveal()
        try:
            yield self._client
        except _Answered as e:
            raise _Answered(f"{self._where}: {doing}: {e.message}", e.status) from e
        except consul.ConsulException as e:
            raise StoreError(f"{self._where}: {doing}: {one_line(e)}") from e
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as e:
            # Before the others: what requests says of an answer that is no JSON is one of these, too.
            raise StoreError(
                f"{self._where}: {doing}: the answer makes no sense: {type(e).__name__}: {one_line(e, 200)}"
            ) from e
        except (requests.exceptions.RequestException, ConnectionProblem, OSError, EOFError) as e:
            raise StoreError(
                f"{self._where}: {doing}: no answer", hint=f"see `{self._logs}` on its host"
            ) from e

    def leader(self) -> str:
        try:
            with self._call("asking for the leader") as client:
                return str(client.status.leader())
        except StoreError:
            return ""

    def keys(self, prefix: str) -> list[str]:
        with self._call(f"listing {prefix}") as client:
            return list(client.kv.get(prefix, keys=True)[1] or [])

    def tree(self, prefix: str) -> dict[str, bytes]:
        with self._call(f"reading all of {prefix}") as client:
            found = client.kv.get(prefix, recurse=True)[1] or []
            return {str(its["Key"]): bytes(its["Value"] or b"") for its in found}

    def get(self, key: str) -> bytes | None:
        with self._call(f"reading {key}") as client:
            found = client.kv.get(key)[1]
            return None if found is None else bytes(found["Value"] or b"")

    def put(self, key: str, value: bytes) -> None:
        with self._call(f"writing {key}") as client:
            client.kv.put(key, value)

    def swap(self, key: str, old: bytes | None, new: bytes | None) -> bool:
        with self._call(f"changing {key}") as client:
            found = client.kv.get(key)[1]
            if (None if found is None else bytes(found["Value"] or b"")) != old:
                return False
            # 0 stands for a key that is not there.
            index = int(found["ModifyIndex"]) if found else 0
            if new is None:
                return found is None or client.kv.delete(key, cas=index) is True
            return client.kv.put(key, new, cas=index) is True

    def agent(self) -> Json:
        with self._call("asking the agent about itself") as client:
            return client.agent.self()

    def members(self) -> list[Json]:
        with self._call("listing the agents") as client:
            return list(client.agent.members())

    def servers(self) -> list[Json]:
        with self._call("asking who votes") as client:
            return list(client.operator.raft_config()["Servers"])

    def servers_as_known(self) -> list[Json]:
        with self._call("asking who is to vote") as client:
            found = client.http.get(
                CB.json(),
                "/v1/operator/raft/configuration",
                params=[("stale", "")],
                headers=client.prepare_headers(None),
            )
            return list(found["Servers"])

    def leave(self) -> None:
        with self._call("telling the agent to leave") as client:
            client.agent.leave()

    def catalog(self) -> list[Json]:
        with self._call("listing the catalog's nodes") as client:
            return list(client.catalog.nodes()[1] or [])

    def sessions(self) -> list[Json]:
        with self._call("listing the sessions") as client:
            return list(client.session.list()[1] or [])

    def holders(self, prefix: str) -> dict[str, str]:
        with self._call(f"asking who holds {prefix}") as client:
            found = client.kv.get(prefix, recurse=True)[1] or []
            return {str(its["Key"]): str(its["Session"]) for its in found if its.get("Session")}

    def save(self) -> bytes:
        with self._call("making a snapshot") as client:
            return bytes(client.snapshot.save())

    def restore(self, snapshot: bytes) -> None:
        # py-consul's has the deadline of all other calls.
        with self._call("restoring a snapshot") as client:
            answer = client.http.session.put(
                client.http.uri("/v1/snapshot"),
                headers=client.prepare_headers(None),
                data=snapshot,
                timeout=RESTORE_SECONDS,
            )
            if answer.status_code != 200:
                said = one_line(answer.content.decode(errors="replace").strip(), 200)
                raise StoreError(f"{self._where}: restoring a snapshot: status {answer.status_code}: {said}")

    def admits(self, token: Secret) -> bool:
        with self._call("asking whether a token is known"):
            return self._of_token(token) is not None

    def grant(self, name: str, rules: str, token: Secret) -> None:
        with self._call(f"granting access to {name}"):
            policies = {its["Name"]: its["ID"] for its in self._json("get", "/v1/acl/policies")}
            id_ = policies.get(name, "")
            policy = {"Name": name, "Rules": rules, "Description": "made by Overweave"}
            if id_:
                policy["ID"] = id_
            id_ = self._json("put", f"/v1/acl/policy{f'/{id_}' * bool(id_)}", policy)["ID"]
            its = self._of_token(token)
            accessor = str(its["AccessorID"]) if its else ""
            wanted: dict[str, Any] = {"Description": name, "Policies": [{"ID": id_}]}
            if not accessor:
                made = self._json("put", "/v1/acl/token", wanted | {"SecretID": token.reveal()})
                accessor = str(made["AccessorID"])
            else:
                self._json("put", f"/v1/acl/token/{accessor}", wanted)
            for other in self._json("get", "/v1/acl/tokens"):
                if other["Description"] == name and other["AccessorID"] != accessor:
                    self._json("delete", f"/v1/acl/token/{other['AccessorID']}")

    def gossip_with(self, key: Secret) -> None:
        with self._call("setting the gossip's key"):
            wanted = {"Key": key.reveal()}
            rings = self._json("get", "/v1/operator/keyring")
            known = [ring["Keys"] for ring in rings]
            if all(key.reveal() in keys and len(keys) == 1 for keys in known):
                return
            self._json("post", "/v1/operator/keyring", wanted)
            self._json("put", "/v1/operator/keyring", wanted)
            for old in {k for keys in known for k in keys} - {key.reveal()}:
                self._json("delete", "/v1/operator/keyring", {"Key": old})

    def _of_token(self, token: Secret) -> Json | None:
        try:
            return self._json("get", "/v1/acl/token/self", headers={HEADER: token.reveal()})
        except StoreError as e:
            # 401: it asks for no tokens; 403 and, since 1.17, 404: it does not know this one.
            if isinstance(e, _Answered) and e.status in (401, 403, 404):
                return None
            raise

    def _json(
        self, method: str, path: str, body: Json = None, *, headers: Mapping[str, str] | None = None
    ) -> Json:
        """What py-consul has no call for, or one that sends no token. Neither path nor error has a secret."""
        http = self._client.http
        answer = http.session.request(
            method, http.uri(path), json=body, headers=dict(headers or {}), timeout=SECONDS
        )
        if answer.status_code != 200:
            said = one_line(answer.content.decode(errors="replace").strip(), 200)
            raise _Answered(f"status {answer.status_code}: {said}", answer.status_code)
        return answer.json() if answer.content.strip() else None

    def register_anew(self, node: str, id_: str, address: str) -> None:
        # One transaction: an engine that asks for a session in between would be refused.
        check = {"Node": node, "CheckID": "serfHealth", "Name": "Serf Health Status", "Status": "passing"}
        operations: list[dict[str, Any]] = [
            {"Node": {"Verb": "delete", "Node": {"Node": node}}},
            {"Node": {"Verb": "set", "Node": {"ID": id_, "Node": node, "Address": address}}},
            {"Check": {"Verb": "set", "Check": check}},
        ]
        with self._call(f"registering {node} anew") as client:
            headers = client.prepare_headers(None)
            client.http.put(CB.json(), "/v1/txn", data=json.dumps(operations), headers=headers)

    def force_leave(self, node: str) -> None:
        with self._call(f"taking the agent {one_line(node, 100)} out") as client:
            client.agent.force_leave(node)

    def remove_server(self, id_: str) -> None:
        with self._call(f"taking the server {one_line(id_, 100)} out of raft") as client:
            client.operator.raft_remove_peer(peer_id=id_)
