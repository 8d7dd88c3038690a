"""The `EtcdStore` of an etcd, by its API of version 2, over a stream from a host that runs a server of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from urllib.parse import quote, urlsplit

import requests

from overweave.errors import ConnectionProblem, StoreError
from overweave.ports import Json, Recorder, unrecorded
from overweave.printable import one_line

from .http_stream import OpenStream, StreamAdapter, recorded

SECONDS = 10
NOT_THERE, DIFFERS, EXISTS = 100, 101, 105
"""What etcd calls these errors (v2 API, error codes)."""


class _Answered(StoreError):
    """``index`` is the store's, 0 where it was not told."""

    def __init__(self, message: str, code: int, index: int = 0) -> None:
        super().__init__(message)
        self.code, self.index = code, index


class EtcdHttp:
    """``where`` names the store in errors, as in ``etcd on host1``; ``logs``: the command that shows what it
    has said. All is read with a quorum. Keys have no slash at either end, whatever is asked for."""

    def __init__(
        self,
        open_stream: OpenStream,
        where: str,
        record: Recorder = unrecorded,
        logs: str = "docker logs etcd",
    ) -> None:
        self._session = requests.Session()
        self._session.mount("http://", StreamAdapter(open_stream, timeout=SECONDS))
        self._where, self._record, self._logs = where, record, logs

    def leader(self) -> str:
        try:
            with self._call("asking for the leader"):
                # The leader that a server knows may be gone; a quorum that answers it has one.
                if self._ask("get", "/health").get("health") not in ("true", True):
                    return ""
                leader = self._ask("get", "/v2/stats/self")["leaderInfo"]["leader"]
                members = self._ask("get", "/v2/members")["members"]
                urls = next(its["peerURLs"] for its in members if its["id"] == leader)
                return urlsplit(str(urls[0])).netloc
        except StoreError:
            return ""

    def keys(self, prefix: str) -> list[str]:
        return list(self.tree(prefix))

    def tree(self, prefix: str) -> dict[str, bytes]:
        with self._call(f"reading all of {prefix}"):
            try:
                found = self._ask("get", _path(prefix), {"recursive": "true", "quorum": "true"})
            except _Answered as e:
                if e.code == NOT_THERE:
                    return {}
                raise
            return dict(_leaves(found["node"]))

    def dump(self, prefix: str) -> Json:
        with self._call(f"reading all of {prefix} with its indices"):
            try:
                answer = self._answer("get", _path(prefix), {"recursive": "true", "quorum": "true"})
            except _Answered as e:
                if e.code == NOT_THERE:
                    return {"index": e.index, "node": None}
                raise
            return {"index": int(answer.headers["X-Etcd-Index"]), "node": answer.json()["node"]}

    def members(self) -> list[Json]:
        with self._call("listing the servers"):
            return list(self._ask("get", "/v2/members")["members"])

    def add_member(self, url: str) -> None:
        with self._call(f"adding the server at {url}"):
            self._answer("post", "/v2/members", sent={"peerURLs": [url]})

    def remove_member(self, id_: str) -> None:
        with self._call(f"removing server {id_}"):
            self._answer("delete", f"/v2/members/{quote(id_, safe='')}")

    def server(self) -> Json:
        with self._call("asking the server about itself"):
            its = dict(self._ask("get", "/v2/stats/self"))
            try:
                health = self._ask("get", "/health").get("health")
            except _Answered:
                # 503 of one that is not well.
                health = "false"
            # Any answer about keys tells how far raft is there; the root is always there.
            raft = self._answer("get", "/v2/keys/").headers
            return its | {
                "health": health,
                "version": self._ask("get", "/version")["etcdserver"],
                "term": int(raft["X-Raft-Term"]),
                "index": int(raft["X-Raft-Index"]),
            }

    def get(self, key: str) -> bytes | None:
        with self._call(f"reading {key}"):
            try:
                found = self._ask("get", _path(key), {"quorum": "true"})["node"]
            except _Answered as e:
                if e.code == NOT_THERE:
                    return None
                raise
            return None if found.get("dir") else str(found.get("value") or "").encode()

    def put(self, key: str, value: bytes) -> None:
        with self._call(f"writing {key}"):
            self._ask("put", _path(key), data={"value": value.decode()})

    def swap(self, key: str, old: bytes | None, new: bytes | None) -> bool:
        if old is None and new is None:
            return self.get(key) is None
        condition = {"prevExist": "false"} if old is None else {"prevValue": old.decode()}
        with self._call(f"changing {key}"):
            try:
                if new is None:
                    self._ask("delete", _path(key), condition)
                else:
                    self._ask("put", _path(key), condition, data={"value": new.decode()})
            except _Answered as e:
                if e.code in (NOT_THERE, DIFFERS, EXISTS):
                    return False
                raise
            return True

    @contextlib.contextmanager
    def _call(self, doing: str) -> Iterator[None]:
        with recorded(self._record, "", f"{self._where}: {doing}"):
            try:
                yield
            except _Answered as e:
                raise _Answered(f"{self._where}: {doing}: {e.message}", e.code, e.index) from e
            except (ValueError, TypeError, LookupError, AttributeError, RecursionError, StopIteration) as e:
                # Before the others: what requests says of an answer that is no JSON is one of these, too.
                why = f"{type(e).__name__}: {one_line(e, 200)}"
                raise StoreError(f"{self._where}: {doing}: the answer makes no sense: {why}") from e
            except (requests.exceptions.RequestException, ConnectionProblem, OSError, EOFError) as e:
                raise StoreError(
                    f"{self._where}: {doing}: no answer", hint=f"see `{self._logs}` on its host"
                ) from e

    def _ask(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str] | None = None,
        data: Mapping[str, str] | None = None,
    ) -> Json:
        return self._answer(method, path, parameters, data).json()

    def _answer(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str] | None = None,
        data: Mapping[str, str] | None = None,
        sent: Json | None = None,
    ) -> requests.Response:
        answer = self._session.request(
            method, f"http://localhost{path}", params=parameters, data=data, json=sent, timeout=SECONDS
        )
        if answer.ok:
            return answer
        try:
            said = answer.json()
            code, text, index = int(said["errorCode"]), said.get("message"), int(said.get("index", 0))
        except (ValueError, TypeError, LookupError, AttributeError):
            code, text, index = 0, answer.content.decode(errors="replace").strip(), 0
        raise _Answered(f"status {answer.status_code}: {one_line(text, 200)}", code, index)


def _path(key: str) -> str:
    return f"/v2/keys/{quote(key.strip('/'))}"


def _leaves(node: Json) -> Iterator[tuple[str, bytes]]:
    if not node.get("dir"):
        yield str(node["key"]).strip("/"), str(node.get("value") or "").encode()
    for its in node.get("nodes") or ():
        yield from _leaves(its)
