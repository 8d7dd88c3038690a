"""The `KeyValue` of a Consul, by py-consul, over a stream from the host that carries it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import consul
import requests.exceptions

from overweave.errors import ConnectionProblem, StoreError
from overweave.ports import Recorder, unrecorded
from overweave.printable import one_line

from .http_stream import OpenStream, StreamAdapter, recorded

SECONDS = 10


class ConsulHttp:
    """``where`` names the store in errors, as in ``Consul on host1``."""

    def __init__(self, open_stream: OpenStream, where: str, record: Recorder = unrecorded) -> None:
        self._client = consul.Consul(host="localhost", connections_timeout=SECONDS)
        self._client.http.session.mount("http://", StreamAdapter(open_stream, timeout=SECONDS))
        self._where = where
        self._record = record

    @contextlib.contextmanager
    def _call(self, doing: str) -> Iterator[consul.Consul]:
        with recorded(self._record, "", f"{self._where}: {doing}"), self._mapped(doing) as client:
            yield client

    @contextlib.contextmanager
    def _mapped(self, doing: str) -> Iterator[consul.Consul]:
        try:
            yield self._client
        except consul.ConsulException as e:
            raise StoreError(f"{self._where}: {doing}: {one_line(e)}") from e
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as e:
            # Before the others: what requests says of an answer that is no JSON is one of these, too.
            raise StoreError(
                f"{self._where}: {doing}: the answer makes no sense: {type(e).__name__}: {one_line(e, 200)}"
            ) from e
        except (requests.exceptions.RequestException, ConnectionProblem, OSError, EOFError) as e:
            raise StoreError(
                f"{self._where}: {doing}: no answer", hint="see `docker logs consul` on its host"
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

    def swap(self, key: str, old: bytes, new: bytes) -> bool:
        with self._call(f"changing {key}") as client:
            found = client.kv.get(key)[1]
            if found is None or bytes(found["Value"] or b"") != old:
                return False
            return client.kv.put(key, new, cas=int(found["ModifyIndex"])) is True
