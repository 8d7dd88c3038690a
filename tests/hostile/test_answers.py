"""Engines and stores that answer garbage, or without an end: an error of ours, in bounded memory."""

from __future__ import annotations

import contextlib
import io
import json
import resource
import socket
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.facts.test_host import TOLD, Asked

from overweave.adapters import http_stream
from overweave.adapters.consul_http import ConsulHttp
from overweave.adapters.engine_api import EngineApi
from overweave.command import Secret
from overweave.errors import ConnectionProblem, EngineError, OverweaveError, StoreError
from overweave.facts.fleet import FleetFacts
from overweave.facts.host import look
from overweave.model import Access, Fleet, Host
from overweave.plan import plan
from overweave.report import data, text
from overweave.state import summarize
from overweave.teardown import teardown

HOST = Host("web1", Access("10.0.0.1"))


class Server:
    """Makes streams at whose other end somebody answers each request with ``answer(request line)``."""

    def __init__(self, answer):
        self._answer = answer
        self.requests = []

    def __call__(self):
        ours, its = socket.socketpair()
        threading.Thread(target=self._serve, args=(its,), daemon=True).start()
        return ours

    def _serve(self, its):
        with its, contextlib.suppress(OSError):
            asked = b""
            while data := its.recv(1 << 16):
                asked += data
                while b"\r\n\r\n" in asked:
                    head, _, asked = asked.partition(b"\r\n\r\n")
                    line = head.partition(b"\r\n")[0].decode()
                    self.requests.append(line)
                    for piece in self._answer(line):
                        its.sendall(piece)


def reply(body, status="200 OK"):
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def says(*bodies):
    """An engine that tells its version, and then these in turn, the last for ever."""
    left = list(bodies)

    def answer(line):
        if line.startswith("GET /version"):
            yield reply(b'{"ApiVersion": "1.41"}')
        else:
            yield left.pop(0) if len(left) > 1 else left[0]

    return answer


def engine_that(answer):
    return EngineApi(Server(answer), HOST)


def error_of(call, kind):
    """What it raises of this kind, if it does."""
    try:
        call()
    except kind as e:
        return e
    return None


CALLS = {
    "info": lambda e: e.info(),
    "networks": lambda e: e.networks(),
    "network": lambda e: e.network("n"),
    "containers": lambda e: e.containers(),
    "container": lambda e: e.container("n"),
    "images": lambda e: e.images(),
    "volumes": lambda e: e.volumes(),
    "create_container": lambda e: e.create_container("n", {"Image": "x"}),
    "create_network": lambda e: e.create_network({"Name": "n"}),
    "remove_container": lambda e: e.remove_container("n"),
    "nodes": lambda e: e.nodes(),
    "init_swarm": lambda e: e.init_swarm("10.0.0.1", port=4789),
    "join_token": lambda e: e.join_token(manager=True),
    "join_swarm": lambda e: e.join_swarm("10.0.0.1", ["10.0.0.2:2377"], Secret("s3cret")),
    "leave_swarm": lambda e: e.leave_swarm(),
    "change_node": lambda e: e.change_node("n", 1, {"Role": "worker"}),
    "remove_node": lambda e: e.remove_node("n"),
}
GARBAGE = {
    "no HTTP": b"\x00\xff\x1b[31m garbage\r\n\r\n",
    "no JSON": reply(b"<html>"),
    "no text": reply(b"\xff\xfe\x00"),
    "deep": reply(b"[" * 200_000),
    "a word": reply(b'"x"'),
    "null": reply(b"null"),
    "huge number": reply(b"1" * 5000),
    "error that is no JSON": reply(b"\x1b[31m<html>", "500 No"),
    "error of another shape": reply(b"[1]", "409 No"),
    "message of another shape": reply(b'{"message": {"a": ["\x1b"]}}', "500 No"),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_is_an_error_of_ours(call, garbage):
    made = engine_that(says(GARBAGE[garbage]))
    error = error_of(lambda: CALLS[call](made), EngineError)
    assert error is None or (error.host, error.message.isprintable()) == ("web1", True)
    assert error is None or len(error.message) < 700


@pytest.mark.parametrize("body", [b"[1]", b"{}", b'{"ApiVersion": 7}', b'{"ApiVersion": "\\u001b[1"}', b"["])
def test_garbage_instead_of_a_version(body):
    with pytest.raises(EngineError):
        engine_that(lambda line: [reply(body)]).info()


def endless(head, piece):
    def answer(line):
        if line.startswith("GET /version"):
            yield reply(b'{"ApiVersion": "1.41"}')
            return
        yield head
        while True:
            yield piece

    return answer


ENDLESS = {
    "body": (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n[", b'"x",' * 4096),
    "chunks": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"4000\r\n" + b"1," * 8192 + b"\r\n",
    ),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 1000),
    "line": (b"HTTP/1.1 200 OK\r\nX: ", b"x" * 16384),
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_an_engine_that_answers_without_an_end_is_given_up_in_bounded_memory(kind):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(EngineError) as caught:
        engine_that(endless(*ENDLESS[kind])).networks()
    if kind in ("body", "chunks"):
        assert caught.value.message == (
            f"listing networks: the engine gives an answer of more than {http_stream.ANSWER_LIMIT} bytes"
        )
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown * 1024 < 5 * http_stream.ANSWER_LIMIT


def test_the_bound_is_for_one_answer_and_not_for_a_connection():
    body = reply(json.dumps(["x" * 1000] * 8000).encode())
    server = Server(says(body))
    made = EngineApi(server, HOST)
    for _ in range(http_stream.ANSWER_LIMIT // len(body) + 2):
        assert len(made.networks()) == 8000


@pytest.mark.parametrize("kind", ENDLESS)
def test_a_store_that_answers_without_an_end_is_given_up(kind):
    with pytest.raises(StoreError):
        ConsulHttp(Server(endless(*ENDLESS[kind])), "Consul on web1").keys("x")


@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_of_a_store_is_an_error_of_ours(garbage):
    made = ConsulHttp(Server(lambda line: [GARBAGE[garbage]]), "Consul on web1")
    for call in (lambda: made.keys("x"), lambda: made.get("x"), lambda: made.put("x", b"y")):
        error = error_of(call, StoreError)
        assert error is None or error.message.isprintable()
    leader = made.leader()
    assert isinstance(leader, str)
    assert leader.isprintable()


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None), max_size=8)
    | st.sampled_from(["", "/", "\ud800", "\x1b[31m", "running", "overlay"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["Id", "Name", "Names", "Labels", "IPAM", "Config", "Subnet", "Options", "Swarm", "Volumes"]
            )
            | st.sampled_from(
                ["RepoTags", "State", "Image", "Driver", "Scope", "ServerVersion", "LocalNodeState"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


class Told:
    """An engine that says anything."""

    def __init__(self, told):
        self.info, self.containers, self.images, self.volumes, self.networks = (lambda t=t: t for t in told)

    def prepare(self):
        pass


def facts_or_error(told, its_engine):
    reader = Asked(told)
    reader.engine = its_engine
    fleet = Fleet((reader.host,))
    with contextlib.suppress(OverweaveError):
        facts = FleetFacts({"web1": look(reader)})
        state = summarize(fleet, facts)
        json.dumps(data.state(state))
        text.SafeConsole(file=io.StringIO()).print(text.state(state))
        json.dumps(data.plan(teardown(fleet, facts)))
        json.dumps(data.plan(plan(fleet, facts)))


@given(st.tuples(JSON, JSON, JSON, JSON, JSON))
@settings(max_examples=300)
def test_any_json_of_an_engine_is_facts_or_an_error_of_ours(told):
    facts_or_error(TOLD, Told(told))


OUTPUT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | JSON.map(json.dumps)


def nearly(valid):
    """The same shape, with something else in a place or two."""
    if isinstance(valid, dict):
        return st.fixed_dictionaries({key: nearly(value) for key, value in valid.items()})
    if isinstance(valid, list):
        return st.tuples(*map(nearly, valid)).map(list)
    return st.sampled_from([valid] * 9) | JSON


ADDRESS = {"family": "inet", "local": "10.96.0.11", "prefixlen": 24, "scope": "global"}
NEARLY = {
    "ip -json -4 address": nearly([{"ifname": "eth0", "mtu": 1500, "addr_info": [ADDRESS, ADDRESS]}]),
    "ip -json -4 route": nearly([{"dst": "default", "dev": "eth0"}, {"dst": "10.0.0.0/8", "dev": "eth0"}]),
    "sh /etc/docker/daemon.json": nearly({"cluster-store": "x", "live-restore": True, "hosts": ["fd://"]}),
    "/var/lib/overweave/before.json": nearly({"networks": ["a"], "images": ["b"], "drop_in_folder": True}),
}
ENGINE = st.tuples(
    nearly({"ServerVersion": "20.10.5", "Swarm": {"LocalNodeState": "inactive"}}),
    nearly([{"Names": ["/consul"], "Image": "i", "State": "running", "Labels": {"io.overweave.spec": "x"}}]),
    nearly([{"RepoTags": ["consul:1.8.7", "busybox:1.36"]}]),
    nearly([{"Name": "v"}]),
    nearly(
        [
            {
                "Id": "1",
                "Name": "overweave",
                "Driver": "overlay",
                "Scope": "global",
                "IPAM": {"Config": [{"Subnet": "10.211.0.0/16"}]},
                "Options": {"com.docker.network.driver.mtu": "1500"},
            }
        ]
    ),
)


@given(st.fixed_dictionaries(NEARLY), ENGINE)
@settings(max_examples=300)
def test_answers_with_something_odd_in_the_right_place(told, of_engine):
    facts_or_error(TOLD | {piece: json.dumps(answer) for piece, answer in told.items()}, Told(of_engine))


@given(
    st.dictionaries(
        st.sampled_from(sorted(TOLD)),
        OUTPUT | st.tuples(st.integers(0, 255), OUTPUT),
        max_size=4,
    )
)
@settings(max_examples=200)
def test_any_output_of_a_host_is_facts_or_an_error_of_ours(told):
    facts_or_error(TOLD | told, Told(([], [], [], [], [])))


@given(JSON)
def test_any_json_of_a_store_is_a_value_or_an_error_of_ours(told):
    made = ConsulHttp(Server(lambda line: [reply(json.dumps(told).encode())]), "Consul on web1")
    for call in (lambda: made.keys("x"), lambda: made.get("x")):
        try:
            found = call()
        except StoreError:
            continue
        assert found is None or isinstance(found, list | bytes)
        assert not isinstance(found, list) or all(isinstance(key, str) for key in found)


def test_a_stream_that_can_not_be_made_says_why():
    def broken():
        raise ConnectionProblem("no way", host="web1")

    with pytest.raises(ConnectionProblem, match="no way"):
        EngineApi(broken, HOST).info()
