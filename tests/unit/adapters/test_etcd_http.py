"""The keys of an etcd behind TLS: a server of HTTP and TLS on loopback, which answers as etcd 3.4 does."""

from __future__ import annotations

import http.server
import json
import socket
import ssl
import threading
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from tests.contract import etcds

from overweave import certificates
from overweave.adapters.etcd_http import EtcdHttp
from overweave.adapters.tls_stream import TlsStream
from overweave.certificates import Issuer, Wanted
from overweave.errors import StoreError

NOW = certificates.now()
AUTHORITY = certificates.new_authority(NOW)


class Answers(http.server.BaseHTTPRequestHandler):
    """Keys in a dictionary, with the conditions, the errors and the shape of answers that version 2 has."""

    protocol_version = "HTTP/1.1"
    keys: dict[str, str]
    indices: dict[str, int]
    living: dict[str, int]
    index = 7
    health = "true"
    version = "3.4.23"
    joined: tuple[str, ...] = ()
    left: tuple[str, ...] = ()

    def log_message(self, *words):
        pass

    def answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.send_header("X-Etcd-Index", str(self.index))
        self.send_header("X-Raft-Index", str(self.index + 5))
        self.send_header("X-Raft-Term", "2")
        self.end_headers()
        self.wfile.write(text)

    def node(self, path):
        if path in self.keys:
            index = self.indices.get(path, 1)
            its = {"key": path, "value": self.keys[path], "createdIndex": index, "modifiedIndex": index}
            return its | ({"ttl": self.living[path]} if path in self.living else {})
        below = sorted(
            {k[: k.find("/", len(path) + 1) % (len(k) + 1)] for k in self.keys if k.startswith(path + "/")}
        )
        return {"key": path, "dir": True, "nodes": [self.node(its) for its in below]} if below else None

    def member(self, number, id_):
        at = f"https://10.0.0.{number}"
        return {"id": id_, "name": f"host{number}", "peerURLs": [f"{at}:2380"], "clientURLs": [f"{at}:2379"]}

    def handle_any(self):
        url = urlsplit(self.path)
        asked = {name: value for name, (value, *_) in parse_qs(url.query).items()}
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(size).decode()
        form = {name: value for name, (value, *_) in parse_qs(body).items()}
        path = unquote(url.path).removeprefix("/v2/keys")
        if url.path == "/health":
            return self.answer(200 if self.health == "true" else 503, {"health": self.health})
        if url.path == "/version":
            return self.answer(200, {"etcdserver": self.version, "etcdcluster": "3.4.0"})
        if url.path == "/v2/stats/self":
            its = {"name": "host1", "id": "a1", "state": "StateFollower", "leaderInfo": {"leader": "b2"}}
            return self.answer(200, its)
        if url.path == "/v2/members" and self.command == "POST":
            type(self).joined = [*self.joined, *json.loads(body)["peerURLs"]]
            return self.answer(201, {"id": "c3"})
        if url.path == "/v2/members":
            return self.answer(200, {"members": [self.member(1, "a1"), self.member(2, "b2")]})
        if url.path.startswith("/v2/members/"):
            if url.path.rpartition("/")[2] not in ("a1", "b2"):
                return self.answer(500, {"message": "Internal Server Error"})
            type(self).left = [*self.left, url.path.rpartition("/")[2]]
            self.send_response(204)
            return self.end_headers()
        found = self.node(path)
        if asked.get("prevExist") == "false" and found:
            return self.answer(412, {"errorCode": 105, "message": "Key already exists"})
        if path == "/":
            return self.answer(200, {"action": "get", "node": {"dir": True}})
        if (self.command != "PUT" and not found) or ("prevValue" in asked and not found):
            return self.answer(404, {"errorCode": 100, "message": "Key not found", "index": self.index})
        if "prevValue" in asked and found["value"] != asked["prevValue"]:
            return self.answer(412, {"errorCode": 101, "message": "Compare failed"})
        if self.command != "GET":
            type(self).index += 1
        if self.command == "PUT":
            self.keys[path], self.indices[path] = form["value"], self.index
        if self.command == "DELETE":
            del self.keys[path]
        return self.answer(200, {"node": self.node(path) or {}})

    do_GET = do_PUT = do_POST = do_DELETE = handle_any


@pytest.fixture
def server(tmp_path):
    """Its answers can be changed; `reach` opens a stream to it, as somebody with a certificate of `by`."""
    file = tmp_path / "tls.pem"
    file.write_text(AUTHORITY.issue(Wanted("host1", "127.0.0.1"), NOW))
    trusted = Issuer(AUTHORITY, {}, NOW).authorities.reveal()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=trusted)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(file)

    class Its(Answers):
        pass

    Its.indices, Its.living = {}, {"/docker/nodes/10.0.0.1:2376": 17}
    Its.keys = {"/docker/nodes/10.0.0.1:2376": "10.0.0.1:2376", "/docker/network/v1.0/idm/x": "a b+c"}

    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Its)
    made.socket = context.wrap_socket(made.socket, server_side=True)
    thread = threading.Thread(target=made.serve_forever)
    thread.start()

    def reach(by=AUTHORITY):
        stream = socket.create_connection(made.server_address)
        return TlsStream(stream, Issuer(by, {}, NOW).operator(), seconds=5)

    made.reach, made.its = reach, Its
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.fixture
def store(server):
    return EtcdHttp(server.reach, "etcd on host1")


def test_keys_come_from_all_folders_without_slashes_around_them(store):
    assert store.tree("docker/") == {
        "docker/network/v1.0/idm/x": b"a b+c",
        "docker/nodes/10.0.0.1:2376": b"10.0.0.1:2376",
    }
    assert store.keys("docker/nodes/") == ["docker/nodes/10.0.0.1:2376"]
    assert store.keys("nothing/") == []
    assert store.get("docker/network/v1.0/idm/x/") == b"a b+c"
    assert store.get("docker/nodes") is None, "a folder has no value"
    assert store.get("docker/none") is None


def test_a_server_comes_onto_the_list_and_goes_off_it(server, store):
    store.add_member("https://10.0.0.3:2380")
    store.remove_member("b2")
    assert (server.its.joined, server.its.left) == (["https://10.0.0.3:2380"], ["b2"])
    with pytest.raises(StoreError) as caught:
        store.remove_member("d4")
    said = 'status 500: {"message": "Internal Server Error"}'
    assert caught.value.message == f"etcd on host1: removing server d4: {said}"


def test_a_value_is_written_and_swapped_only_for_what_it_was(store):
    store.put("overweave/proven/net", b"1")
    assert not store.swap("overweave/proven/net", b"0", b"2")
    assert not store.swap("overweave/proven/net", None, b"2")
    assert store.swap("overweave/proven/net", b"1", b"2")
    assert store.get("overweave/proven/net") == b"2"
    assert store.swap("overweave/proven/net", b"2", None)
    assert store.get("overweave/proven/net") is None
    assert not store.swap("overweave/proven/net", b"2", b"3")
    assert store.swap("overweave/proven/net", None, None)
    assert store.swap("overweave/proven/net", None, b"3")


def test_the_leader_is_one_that_a_quorum_has(store, server):
    assert store.leader() == "10.0.0.2:2380"
    server.its.health = "false"
    assert store.leader() == ""


def test_who_has_no_certificate_of_the_fleet_gets_nothing(server):
    stranger = EtcdHttp(lambda: server.reach(certificates.new_authority(NOW)), "etcd on host1")
    with pytest.raises(StoreError) as caught:
        stranger.get("docker/nodes")
    assert str(caught.value) == (
        "etcd on host1: reading docker/nodes: no answer\n  -> see `docker logs etcd` on its host"
    )
    assert stranger.leader() == ""


def test_a_server_of_another_fleet_is_not_believed(server):
    other = certificates.new_authority(NOW)
    stream = socket.create_connection(server.server_address)
    with pytest.raises(ssl.SSLCertVerificationError):
        TlsStream(stream, Issuer(other, {}, NOW).operator(), seconds=5)
    assert stream.fileno() == -1, "it is closed"


def test_an_answer_that_is_none_is_told(store, server):
    server.its.node = lambda self, path: {"value": 1}
    with pytest.raises(
        StoreError, match="etcd on host1: reading all of docker/: the answer makes no sense: KeyError"
    ):
        store.tree("docker/")


def test_it_tells_of_its_servers_and_of_its_keys_with_their_indices(store, server):
    etcds.holds(store)
    found = store.dump("docker/nodes/")
    assert found["index"] == server.its.index
    (node,) = found["node"]["nodes"]
    assert (node["key"], node["ttl"]) == ("/docker/nodes/10.0.0.1:2376", 17)


def test_a_server_that_is_not_well_says_so(store, server):
    server.its.health = "false"
    assert store.server() == {
        "name": "host1",
        "id": "a1",
        "state": "StateFollower",
        "leaderInfo": {"leader": "b2"},
        "health": "false",
        "version": "3.4.23",
        "term": 2,
        "index": 12,
    }


def test_a_store_that_nobody_runs_gives_errors():
    def nobody():
        raise ConnectionRefusedError(111, "Connection refused")

    store = EtcdHttp(nobody, "etcd on host1")
    for call, doing in (
        (store.members, "listing the servers"),
        (store.server, "asking the server about itself"),
        (lambda: store.dump("docker/"), "reading all of docker/ with its indices"),
    ):
        with pytest.raises(StoreError) as caught:
            call()
        assert str(caught.value) == (
            f"etcd on host1: {doing}: no answer\n  -> see `docker logs etcd` on its host"
        )
