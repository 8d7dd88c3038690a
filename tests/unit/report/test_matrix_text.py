"""The matrix on a terminal: whole pages as files, and each part by values."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.report.fleets import HOSTILE, VXLAN, fleet, hostile, pair, two_faults, without_perl

from overweave.prove.matrix import CHECKS, Cause, Cell, Isolation, Matrix, Pair, Verdict
from overweave.report import matrix_text
from overweave.report.text import SafeConsole

GOLDEN = Path(__file__).parent / "golden"


def printed(result, width=80):
    """As in a pipe: lines are as long as they are."""
    file = io.StringIO()
    SafeConsole(file=file, width=10_000).print(matrix_text.matrix(result, width))
    return "".join(f"{line.rstrip()}\n" for line in file.getvalue().splitlines())


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("three-green", fleet(3)),
        ("twenty-five-with-two-faults", two_faults(25)),
        ("fifty-green", fleet(50)),
        ("fifty-with-two-faults", two_faults(50)),
    ],
)
def test_a_page_is_as_it_was_agreed_on(name, result):
    assert printed(result) == (GOLDEN / f"{name}.txt").read_text()


def grid(result, width=80):
    return printed(result, width).split(" directed pairs green")[0].splitlines()[:-1]


@pytest.mark.parametrize("count", [2, 3, 5, 8, 9, 25, 33, 50, 100])
@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_grid_never_takes_more_room_than_there_is(count, width):
    for result in (fleet(count), two_faults(count)):
        lines = [line for line in grid(result, width) if not line.startswith((". ok", "the ", "all cells"))]
        assert max(map(len, lines), default=0) <= width


def of_two(pair_there, pair_back=None):
    back = pair_back or pair("host2", "host1")
    return Matrix("n", ("host1", "host2"), (pair_there, back), {})


DEAD = pair("host2", "host1", red=VXLAN, under_red=("udp-4789",))


@pytest.mark.parametrize(
    ("there", "back", "cell", "written", "mark"),
    [
        (pair("host1", "host2", 0.31), None, Cell.OK, "ok 0.31 ms", "."),
        (pair("host1", "host2", 40.4), None, Cell.SLOW, "SLOW 40 ms", "~"),
        (pair("host1", "host2", 0.3, loss=0.12), None, Cell.SLOW, "SLOW 12% lost", "~"),
        (pair("host1", "host2", red=("udp", "icmp")), None, Cell.ONE_WAY, "ONE WAY", ">"),
        (pair("host1", "host2", red=VXLAN), DEAD, Cell.UNDERLAY, "UNDERLAY", "U"),
        (pair("host1", "host2", red=("tcp", "mtu")), None, Cell.OVERLAY, "OVERLAY tcp mtu", "O"),
        (pair("host1", "host2", red=CHECKS[:5]), DEAD, Cell.UNDERLAY, "UNDERLAY", "U"),
        (replace(pair("host1", "host2", red=("tcp",)), underlay={}), None, Cell.FAILS, "RED tcp", "X"),
        (replace(pair("host1", "host2", red=VXLAN), underlay={}), DEAD, Cell.FAILS, "RED", "X"),
        (Pair("host1", "host2", {}), None, Cell.UNMEASURED, "not measured", "?"),
    ],
)
def test_each_cell_has_its_word_and_its_mark(there, back, cell, written, mark):
    whole = fleet(4)
    ours = {(p.source, p.target): p for p in (there, back) if p}
    result = replace(whole, pairs=tuple(ours.get((p.source, p.target), p) for p in whole.pairs))
    assert result.cell("host1", "host2") is cell
    row = grid(result)[1]
    assert row.startswith("host1  ")
    assert [part.strip() for part in row.split("  ") if part][2] == written
    lines = grid(result, 30)
    assert lines[1].split()[:4] == ["1", "host1", "-", mark]
    assert f"{mark} {cell}" in lines[5]


def test_a_pair_that_was_not_measured_is_counted_and_never_ok():
    result = Matrix("n", ("a", "b"), (pair("host1", "host2"),), {})
    assert "cells: 2 not measured\n" in printed(result)


def test_round_trips_and_loss_name_the_worst():
    pairs = (pair("host1", "host2", 0.3, loss=0.004), pair("host2", "host1", 12.0))
    said = printed(of_two(*pairs))
    assert "\nround trip: median 12 ms, worst 12 ms (host2 -> host1)\n" in said
    assert "\nloss: under 1% host1 -> host2\n" in said


def test_what_can_not_be_checked_without_perl_is_named():
    assert (
        "\nnot checked: udp, connect, isolation, and the underlay of these hosts: there is no perl on host2\n"
    ) in printed(without_perl(), 200)


def test_numbers_that_are_none_are_left_out():
    odd = {"icmp": Verdict(True, "nan ms", float("nan"), float("inf"))}
    said = printed(Matrix("n", ("a", "b"), (Pair("a", "b", odd, wanted=("icmp",)),), {}))
    assert "round trip" not in said
    assert "loss" not in said


def test_red_pairs_say_what_was_seen_in_both_planes_once():
    result = fleet(5, lambda a, b: {"red": ("tcp",), "under_red": ("mtu",)} if a == "host1" else None)
    assert (
        "  RED host1 -> host2  tcp: 1048576 bytes did not come back\n"
        "      underlay: mtu: 0 of 3 arrived\n"
        "      the same: host1 -> host3, host1 -> host4, host1 -> host5\n"
    ) in printed(result)


def test_of_many_red_pairs_the_rest_is_counted():
    def change(source, target):
        return {"red": ("dns",)} if source == "host1" else None

    result = fleet(30, change)
    pairs = tuple(
        replace(p, checks={**p.checks, "dns": Verdict(False, f"got {p.target}")}) if p.failed else p
        for p in result.pairs
    )
    said = printed(replace(result, pairs=pairs))
    assert said.count("  RED ") == 20
    assert "  … and 9 more; all are in --json and --html\n" in said


def test_checks_without_a_verdict_are_told_as_such():
    said = printed(of_two(Pair("host1", "host2", {"dns": Verdict(True, "x")})))
    assert "  RED host1 -> host2  icmp, udp, connect, tcp, mtu, vxlan: not measured\n" in said


def test_an_underlay_that_fails_under_a_green_overlay_is_told():
    said = printed(of_two(pair("host1", "host2", under_red=("icmp",))))
    assert ("\nthe underlay fails and the overlay passes on 1 pair (icmp), as on host1 -> host2\n") in said


def test_causes_that_differ_in_their_place_alone_are_told_once():
    causes = [Cause("r", f"host{n}", "it is odd", "mend it", ("moby#1",)) for n in (1, 2)]
    said = printed(fleet(3, causes=(*causes, Cause("r", "host3", "it is odd", "mend host3"))))
    assert "\ncause: host1, host2: it is odd (moby#1)\n  fix: mend it\n" in said
    assert "\ncause: host3: it is odd\n  fix: mend host3\n" in said
    many = tuple(Cause("r", f"host{n}", f"seen {n}", "mend it") for n in range(25))
    assert "\n… and 5 more causes; all are in --json and --html\n" in printed(fleet(3, causes=many))


def test_isolation_tells_what_was_reached():
    tried = (Isolation("host1", "10.0.0.9", ""), Isolation("host2", "10.0.0.9", "HTTP 200"))
    assert "\nNOT ISOLATED host2 reaches 10.0.0.9: HTTP 200\n" in printed(fleet(3, isolation=tried))
    assert "\nisolation: 1 try, and nothing was reached\n" in printed(fleet(3, isolation=tried[:1]))


def test_the_headline_says_which_checks_and_between_what():
    result = fleet(3, checks=CHECKS[:2], between="containers of users", seconds=0)
    assert "\n6 of 6 directed pairs green on overweave (dns, icmp), between containers of users\n" in (
        printed(result)
    )


@pytest.mark.parametrize("word", HOSTILE)
def test_words_of_hosts_stay_within_their_lines(word):
    tame, said = printed(hostile("tame")), printed(hostile(word))
    assert said.count("\n") == tame.count("\n")
    assert max(map(len, said.splitlines())) < 6000
