"""The picture of a way on a terminal, as data and as SVG."""

from __future__ import annotations

import io
import json
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from tests.unit.trace.sides import KNOWN, OVERLAY, container, end, mac, overlay, sandbox, side, with_link
from tests.unit.trace.test_build import DEAD, OK, SMALL, bridged, rows, sights, traced

from overweave.facts.capture import Capture
from overweave.facts.containers import Endpoint
from overweave.facts.echo import Count, Echo
from overweave.facts.namespaces import Forwarding
from overweave.report import trace_data, trace_svg, trace_text
from overweave.report.text import SafeConsole
from overweave.trace.build import network_of, way, with_capture, with_echoes
from overweave.trace.common import common
from overweave.trace.model import Trace

WRONG = rows(1, forwarding=(Forwarding(mac(2), "vxlan0", "10.0.0.3", True),))
BROKEN = traced(DEAD, DEAD, first=side(1, overlay=WRONG))
SVG = "{http://www.w3.org/2000/svg}"


def printed(result, encoding="utf-8", width=80):
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    SafeConsole(file=file, width=width).print(trace_text.trace(result))
    file.flush()
    return file.buffer.getvalue().decode(encoding)


def stopped():
    ends = container(1), container(2, mode="host", endpoints=())
    return Trace("web on host1", "db on host2", stopped=common(*ends))


def test_a_healthy_way_as_people_read_it():
    lines = printed(traced()).splitlines()
    assert lines[:8] == [
        "web on host1 -> db on host2, network overweave (overlay)",
        "",
        "┌─── host1: sandbox of web ────────────────────────────────────────────────────┐",
        "│ ✓ container web                                                              │",
        "│ │   a process with a network namespace of its own, its sandbox               │",
        "│ │   id 111111111111  pid 101  endpoint e1e1e1e1e1e1                          │",
        "│ ✓ interface eth0                                                             │",
        "│ │   its network card: one end of a veth pair, a cable in software            │",
    ]
    assert "  │  the network between the hosts" in lines
    assert "✗" not in "".join(lines)
    at = next(n for n, line in enumerate(lines) if line.startswith("back"))
    assert lines[at : at + 3] == [
        "back     host2: db → eth0 → veth2 → br0 → vxlan0 → row 02:42:0a:d3:00:01 ",
        "         → vtep 10.0.0.1 (host1) → eth0 → host1: eth0 → vxlan0 → br0 → veth2 ",
        "         → eth0 → web ",
    ]
    assert lines[at + 3].startswith("ping     web on host1 -> db on host2: ok, 3 of 3 answered, 0.10 ms; ")
    assert lines[-1] == "verdict  the packet arrives, both ways"
    assert max(map(len, lines)) == 80


def test_the_broken_hop_is_marked_with_its_remedy_whole():
    text = printed(BROKEN, width=10_000)
    assert f"│ ✗ forwarding row {mac(2)}" in text
    assert text.count("✗") == 1
    assert "│ │   BROKEN: the row leads to 10.0.0.3 (host3), and db is on host2" in text
    assert (
        f"broken   host1, overlay 1-df8f31cc76: forwarding row {mac(2)}\n"
        "         the row leads to 10.0.0.3 (host3), and db is on host2 (10.0.0.2)\n"
        "fix      `nsenter --net=/var/run/docker/netns/1-df8f31cc76 bridge fdb replace "
        f"{mac(2)} dev vxlan0 dst 10.0.0.2 self permanent` on host1\n"
    ) in text
    assert text.endswith("verdict  the packet does not arrive: it breaks at the hop that is marked\n")


def test_what_is_broken_on_the_way_back_alone_is_marked_there():
    text = printed(traced(OK, DEAD, second=side(2, overlay=rows(2, neighbours=()))), width=10_000)
    assert "vxlan0 → ✗ row missing → vtep 10.0.0.1 (host1)" in " ".join(text.split())
    assert "broken   host2, overlay 2-df8f31cc76: neighbour row 10.211.0.1\n" in text
    assert text.endswith("db on host2 does not reach web on host1: it breaks at the hop that is marked\n")


def test_a_terminal_that_knows_ascii_alone_gets_ascii():
    seen = Capture(tuple(sights(traced(), requests=8, replies=8)))
    text = printed(with_capture(traced(), seen, 4789), "ascii")
    assert "+--- host1: sandbox of web ------" in text
    assert "| + container web " in text
    assert "10.0.0.1 -> 10.0.0.2, VNI 256" in text
    assert "| X forwarding row" in printed(BROKEN, "ascii")
    odd = with_link(sandbox(1), "eth0", name="eth\u00e9")
    assert " interface eth? " in printed(traced(first=side(1, sandboxes={"1" * 64: odd})), "ascii")


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_the_picture_fits_and_is_never_wider_than_80(width):
    picture = printed(BROKEN, width=width).partition("\nback")[0].splitlines()[2:]
    assert max(map(len, picture)) == min(80, width)


@pytest.mark.parametrize(
    ("trace", "said"),
    [
        (traced(), "the packet arrives, both ways"),
        (
            traced(DEAD, DEAD),
            "the packet does not arrive, and all that could be read looks right; --capture shows where it "
            "is lost",
        ),
        (
            traced(SMALL, OK),
            "small packets arrive and large ones are lost, and all that could be read looks right; --capture "
            "shows where it is lost",
        ),
        (
            traced(DEAD, OK),
            "web on host1 does not reach db on host2, and all that could be read looks right; --capture "
            "shows where it is lost",
        ),
        (
            traced(first=side(1, overlay=WRONG)),
            "the packet arrives, and something on its way is not as it should be",
        ),
    ],
)
def test_the_verdict_in_a_sentence(trace, said):
    assert trace_text.verdict(trace) == said


@pytest.mark.parametrize(
    ("echo", "said"),
    [
        (None, "not sent"),
        (
            Echo(Count(0, 0), Count(0, 0), 84, problem="neither perl nor ping is on the host"),
            "not sent: neither",
        ),
        (
            Echo(Count(5, 0, None, "ENETUNREACH"), Count(4, 0), 84),
            "DEAD: none of 5 answered; could not be sent (ENET",
        ),
        (
            Echo(
                Count(3, 3, 0.2),
                Count(4, 0, None, "EMSGSIZE"),
                1450,
                ("10.0.0.9 says: the packet is too large",),
            ),
            "3 of 3 answered, 0.20 ms; 1450 bytes uncut: LOST; could not be sent (EMSGSIZE); 10.0.0.9 says",
        ),
        (Echo(Count(3, 3), Count(1, 1), 1450), "ok, 3 of 3 answered; 1450 bytes uncut: ok"),
    ],
)
def test_the_real_packets_in_words(echo, said):
    assert trace_text.echo_words(echo).startswith(said)


def test_no_way_says_why_and_what_each_has():
    assert printed(stopped(), width=10_000) == (
        "web on host1 -> db on host2\n"
        "no way   db uses the network of host2 itself (--network host): it has no sandbox, no eth0 and no "
        "address of its own, and no network that it could share\n"
        "fix      reach it at an address of host2, at the port that it listens on; or run it again without "
        "--network host\n"
        "         web on host1: overweave (10.211.0.1)\n"
        "         db on host2: --network host\n"
    )


def test_the_data_is_json_with_every_hop():
    found = json.loads(json.dumps(trace_data.trace(BROKEN)))
    assert (found["version"], found["kind"], found["ok"], found["arrives"]) == (1, "trace", False, False)
    assert (found["from"], found["to"], found["network"]) == ("web on host1", "db on host2", "overweave")
    assert [hop["ok"] for hop in found["there"]["hops"]].index(False) == 6
    assert found["broken"] == found["there"]["hops"][6]
    assert found["broken"]["problems"][0]["fix"].endswith("self permanent` on host1")
    assert found["there"]["echo"]["small"]["answered"] == 0
    nothing = trace_data.trace(stopped())
    assert (nothing["there"], nothing["broken"], nothing["ok"]) == (None, None, False)
    assert nothing["stopped"]["fix"].startswith("reach it at an address of host2")
    json.dumps(nothing)


def drawn(result):
    text = trace_svg.trace(result)
    return text, ET.fromstring(text)


def words(root):
    return ["".join(its.itertext()) for its in root.iter(f"{SVG}text")]


def test_the_drawing_has_every_hop_and_needs_nothing_from_elsewhere():
    text, root = drawn(traced())
    assert [name for name in ("href", "url(", "@import", "<script", "<image") if name in text] == []
    assert text.count("http") == 1
    assert len(list(root.iter(f"{SVG}circle"))) == 14
    told = words(root)
    for shown in ("sandbox of web", "host1", "host2", "vxlan vxlan0", "neighbour row 10.211.0.2", "the wire"):
        assert shown in told
    assert 'class="way lost"' not in text
    assert not [its for its in root.iter() if "bad" in its.get("class", "").split()]


def test_what_is_behind_the_broken_hop_is_drawn_as_not_reached():
    text, root = drawn(BROKEN)
    assert text.count('class="node bad"') == 1
    assert text.count('class="way lost"') == 7
    assert text.count('class="dot off"') == 7
    assert any("BROKEN: the row leads to 10.0.0.3 (host3)" in t.text for t in root.iter(f"{SVG}title"))


def test_nothing_is_drawn_over_another_or_outside():
    first, second = bridged()
    network = network_of(first, second)
    one = Trace(
        "a",
        "b",
        "bridge",
        "bridge",
        way(first, second, network, known={}),
        way(second, first, network, known={}),
    )
    for result in (traced(), BROKEN, with_echoes(one, OK, OK)):
        _, root = drawn(result)
        width, height = float(root.get("width")), float(root.get("height"))
        nodes = [
            tuple(float(its.get(key)) for key in ("x", "y", "width", "height"))
            for its in root.iter(f"{SVG}rect")
            if "node" in its.get("class")
        ]
        for n, (x, y, w, h) in enumerate(nodes):
            assert 0 <= x < x + w <= width
            assert 0 <= y < y + h <= height
            for ox, oy, ow, oh in nodes[:n]:
                assert x + w <= ox or ox + ow <= x or y + h <= oy or oy + oh <= y
        assert all(float(its.get("y")) < height for its in root.iter(f"{SVG}text"))


def test_names_of_a_host_are_no_markup():
    evil = "<script>alert(1)</script>&\x1b[31m\n"
    space = replace(overlay(1), name=f"1-{evil}")
    first = end(1, side(1, overlay=space), name=evil)
    made = Trace(f"{evil} on host1", "db", "n", "overlay", way(first, end(2), OVERLAY, known=KNOWN), None)
    text, root = drawn(made)
    assert "<script" not in text
    assert "\x1b" not in text
    assert root.tag == f"{SVG}svg"
    assert "\x1b" not in printed(made)


def test_no_way_is_drawn_as_words():
    _, root = drawn(stopped())
    told = words(root)
    assert any(line.startswith("fix: reach it at an address of host2") for line in told)
    assert "web on host1: overweave (10.211.0.1)" in told


def test_an_end_without_an_address_is_still_drawn():
    its = Endpoint("overweave", "x", "", "10.211.0.1", 0, "", "")
    first = end(1, side(1, overlay=None, own=None, sandboxes={}), endpoints=(its,))
    made = Trace(
        "a", "b", "n", "overlay", way(first, end(2), OVERLAY, known={}), way(end(2), first, OVERLAY, known={})
    )
    drawn(made)
    printed(made)
    json.dumps(trace_data.trace(made))
