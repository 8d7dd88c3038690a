"""What is asked of a host for `fab doctor`, and what is made of lies."""

from __future__ import annotations

import pytest
from tests.contract.fakes import FakeEngine, FakeHost

from overweave.command import Result
from overweave.errors import EngineError, OverweaveError
from overweave.facts import attachments, live, namespaces
from overweave.facts.attachments import Attachment
from overweave.model import Access, Host

RAW = {
    "Names": ["/web"],
    "Created": 1795289121,
    "State": "running",
    "NetworkSettings": {
        "Networks": {
            "overweave": {
                "IPAMConfig": None,
                "NetworkID": "27da",
                "EndpointID": "f27c",
                "IPAddress": "10.211.0.5",
                "MacAddress": "02:42:0A:d3:00:05",
            }
        }
    },
}
"""As 20.10.5 lists it, shortened."""


def test_a_container_is_attached_with_its_endpoint():
    assert attachments.parse([RAW]) == (
        Attachment(
            "web", True, 1795289121, "27da", "overweave", "f27c", "10.211.0.5", "02:42:0a:d3:00:05", False
        ),
    )


def test_a_stopped_container_and_one_with_an_address_of_its_users_are_told_apart():
    network = {"IPAMConfig": {"IPv4Address": "10.211.0.9"}, "NetworkID": "27da", "EndpointID": ""}
    (its,) = attachments.parse([RAW | {"State": "exited", "NetworkSettings": {"Networks": {"n": network}}}])
    assert (its.running, its.fixed, its.endpoint, its.address) == (False, True, "", "")


def test_a_container_without_networks_is_attached_to_none():
    assert attachments.parse([{"Names": None}, {"NetworkSettings": None}, {}]) == ()


@pytest.mark.parametrize(
    "raw",
    [
        None,
        [],
        "x",
        {"Names": [5], "NetworkSettings": {"Networks": {"n": {}}}},
        {"NetworkSettings": {"Networks": ["n"]}},
        {"NetworkSettings": {"Networks": {"n": {"NetworkID": 7}}}},
        {"NetworkSettings": {"Networks": {"n": {"IPAMConfig": "x"}}}},
    ],
)
def test_an_engine_that_lies_is_an_error_of_its_host(tmp_path, raw):
    class Liar(FakeEngine):
        def containers(self):
            return [raw]

    host = FakeHost(Host("h", Access("10.0.0.1")), tmp_path / "h", Liar("h"))
    with pytest.raises(OverweaveError, match=r"^h: the engine's containers make no sense: ") as caught:
        live.look(host)
    assert caught.value.hint == "please report this with the output of `docker ps -a`"


MARK = "m" * 32


def answer(*parts):
    from overweave.command import Result, query

    return Result(query("x"), 0, "".join(f"{part}\n{MARK}\n" for part in parts), "")


LINK = '[{"ifname": "vxlan0", "linkinfo": {"info_kind": "vxlan", "info_data": {"id": 256, "port": 4789}}}]'


def test_a_namespace_that_goes_while_it_is_looked_at_does_not_shift_the_next_one():
    gone = ("1-aaaaaaaaaa 5", "", "", "", "")
    there = ("2-bbbbbbbbbb 6", LINK, "[]", '[{"mac": "02:42", "ifname": "vxlan0", "dst": "10.0.0.1"}]', "[]")
    found = namespaces.parse(answer(*gone, *there), MARK)
    assert list(found) == ["2-bbbbbbbbbb"]
    assert found["2-bbbbbbbbbb"].vxlans()[0].vni == 256
    assert found["2-bbbbbbbbbb"].forwarding[0].vtep == "10.0.0.1"


def host(tmp_path, engine=None):
    return FakeHost(Host("h", Access("10.0.0.1")), tmp_path / "h", engine or FakeEngine("h"))


@pytest.mark.parametrize(("status", "parts"), [(0, ()), (1, ("host 1", LINK, "[]", "[]", "[]"))])
def test_a_host_whose_namespaces_could_not_be_looked_at_is_an_error_and_not_one_without_rows(
    tmp_path, status, parts
):
    with pytest.raises(
        OverweaveError, match=r"^h: its network namespaces could not be looked at: "
    ) as caught:
        live.look(Blind(host(tmp_path), status, parts))
    assert str(caught.value).startswith("h: its network namespaces could not be looked at: ip: not found\n")
    assert caught.value.hint == "is iproute2 4.13 or later there, and nsenter?"


class Blind:
    """A host whose script ends with a status, and with these parts of an answer."""

    def __init__(self, its, status, parts):
        self.host, self.engine, self._status, self._parts = its.host, its.engine, status, parts

    def ask(self, *queries):
        mark = queries[0].words[4]
        told = "".join(f"{part}\n{mark}\n" for part in self._parts)
        return tuple(Result(query, self._status, told, "ip: not found") for query in queries)


class Starting(FakeEngine):
    def container(self, name):
        if name != "web":
            raise EngineError("no such container", status=404)
        return {
            "Id": "1",
            "Name": "/web",
            "State": {"Running": False},
            "NetworkSettings": {"Networks": {"overweave": {"EndpointID": "f27c"}, "bridge": {}}},
        }


def test_an_engine_tells_of_an_endpoint_of_a_container_that_starts(tmp_path):
    assert live.inspect(host(tmp_path, Starting("h")), ["gone", "web"]) == {"f27c"}
