"""The benchmarks' own sums: medians, targets, verdicts, and the picture."""

from __future__ import annotations

import itertools
import json
import xml.etree.ElementTree as ET
from argparse import ArgumentTypeError
from pathlib import Path

import pytest
from benchmarks.__main__ import chosen, numbers
from benchmarks.deployments import Series, last_words, ratio, table
from benchmarks.picture import Line, draw, spread, step
from benchmarks.process import Ended, environment, run
from benchmarks.soak import HEALED, Round, judge, summary
from benchmarks.targets import targets
from benchmarks.tools import ansible_inventory, deploy
from hypothesis import given
from hypothesis import strategies as st

from overweave.model import Access, Archive, Fleet, Host, Images, Store

ROOT = Path(__file__).parents[3]


def series(hosts=3, **more):
    made = Series(hosts)
    for deployed, again in ((7.0, 1.5), (5.0, 1.3), (6.0, 1.4)):
        made.add("overweave", {"deploy": deployed, "again": again, "proof": 2.0, "memory": 80.0} | more)
    made.add("script", {"deploy": 5.0})
    made.add("ansible", {"deploy": 13.0, "again": 7.0})
    return made


def test_medians_side_by_side():
    assert table(series(), ("overweave", "script", "ansible")) == [
        "3 hosts, medians           overweave      script     ansible",
        "  clean deployment            6.00 s      5.00 s     13.00 s",
        "  again, nothing to do        1.40 s           -      7.00 s",
        "  proof of all pairs          2.00 s           -           -",
        "  memory of the tool        80.00 MB           -           -",
    ]
    assert ratio(series(), "script", "deploy") == 1.2
    assert ratio(series(), "script", "again") is None
    assert json.loads(json.dumps(series().as_data()))["figures"][0] == {
        "tool": "overweave",
        "what": "deploy",
        "unit": "s",
        "median": 6.0,
        "runs": [7.0, 5.0, 6.0],
    }


def test_targets_are_met_missed_or_not_measured():
    assert list(map(str, targets(series()))) == [
        "deploy, against bare ssh: 1.20 x, at most 1.3 x: met",
        "deploy, against Ansible: 0.46 x, at most 0.45 x: MISSED",
        "nothing to do, against Ansible: 0.20 x, at most 0.2 x: met",
    ]
    assert list(map(str, targets(series(25, proof=6.5)))) == [
        "proof of 600 pairs: 6.50 s, at most 6 s: MISSED",
        "gossip of 25 engines: at most 0.2 s: not measured",
        "memory: 80.00 MB, at most 150 MB: met",
    ]
    assert targets(series(10)) == []


def test_of_a_tool_that_failed_the_last_words_are_told():
    done = Ended(1, 1.0, 80.0, "a\n" * 100 + "b" * 2000 + "\n", "the end\n")
    assert last_words(done, 3) == "a\n" + "b" * 1000 + "\nthe end"


def proof(green, pairs):
    return json.dumps({"pairs": [{"green": n < green} for n in range(pairs)]})


@pytest.mark.parametrize(
    ("status", "told", "why"),
    [
        (0, proof(6, 6), ""),
        (1, proof(5, 6), "exit code 1"),
        (0, proof(5, 6), "5 of 6 pairs"),
        (0, proof(2, 2), "2 of 6 pairs"),
        (0, "", "0 of 6 pairs"),
        (0, proof(12, 12), "12 of 6 pairs"),
    ],
)
def test_a_deployment_is_green_with_all_pairs_alone(status, told, why):
    assert judge(Ended(status, 3.0, 80.0, "", ""), told, 3).why == why


def test_what_was_healed_is_counted_and_what_was_red_is_named():
    healed = judge(Ended(0, 3.0, 80.0, "", f"  3.0 s  5 {HEALED}, without a restart\n"), proof(6, 6), 3)
    assert healed.healed
    red = Round(1.0, 0, 6, False, "exit code 1")
    assert summary([healed, red, healed]) == [
        "2 of 3 deployments ended green; 2 needed healing",
        "red: 2",
    ]
    assert summary([healed]) == ["1 of 1 deployments ended green; 1 needed healing"]


def test_a_deployment_says_what_the_soak_looks_for():
    assert HEALED in (ROOT / "src/overweave/cli/tasks.py").read_text()


def test_numbers_and_tools_of_the_command_line():
    assert numbers("3,25") == (3, 25)
    assert chosen("script,overweave") == ("script", "overweave")
    for text in ("0", "3,", "x", "", "-3"):
        with pytest.raises(ArgumentTypeError) as caught:
            numbers(text)
        assert str(caught.value) == f"'{text}' are no numbers of hosts, as in 3 or 3,25"
    with pytest.raises(ArgumentTypeError) as caught:
        chosen("salt")
    assert str(caught.value) == "'salt': there are overweave, script, ansible"


FLEET = Fleet(
    (
        Host("host1", Access("10.0.0.1", "root", key=Path("/k"), known_hosts=Path("/h"))),
        Host("host2", Access("10.0.0.2", "root", key=Path("/k"), known_hosts=Path("/h"))),
    ),
    store=Store(image="consul:1"),
    images=Images("busybox:1", {"consul:1": Archive(Path("/c.tar")), "busybox:1": Archive(Path("/b.tar"))}),
)


def test_every_tool_is_told_the_same_hosts_and_images(tmp_path):
    script = deploy("script", FLEET, tmp_path / "inventory.yml", anchors=True)
    assert script.words[1:] == (
        "/k", "/h", "consul:1", "/c.tar", "busybox:1", "/b.tar", "10.0.0.1", "10.0.0.2",
    )  # fmt: skip
    assert script.env == {"ANCHORS": "yes"}
    assert ansible_inventory(FLEET) == (
        "[all]\n"
        "host1 ansible_host=10.0.0.1 ansible_user=root ansible_ssh_private_key_file=/k "
        "ansible_ssh_common_args='-o UserKnownHostsFile=/h'\n"
        "host2 ansible_host=10.0.0.2 ansible_user=root ansible_ssh_private_key_file=/k "
        "ansible_ssh_common_args='-o UserKnownHostsFile=/h'\n"
        "[store]\n"
        "host1\n"
    )


def test_a_program_is_run_to_its_end_and_its_own_memory_is_measured():
    small = run(("sh", "-c", "echo out; echo err >&2; exit 3"), cwd="/")
    assert (small.status, small.out, small.err) == (3, "out\n", "err\n")
    assert small.megabytes < 15
    assert 0 < small.seconds < 10
    assert run(("sh", "-c", 'echo "$PWD $HELLO"'), cwd="/", env={"HELLO": "you"}).out == "/ you\n"
    large = run(("perl", "-e", '$x = "y" x 64_000_000'), cwd="/")
    assert large.megabytes > 60
    assert run(("sh", "-c", "kill -9 $$"), cwd="/").status == -9


def test_programs_start_as_they_do_for_users():
    told = run(("env",), cwd="/", env={"PYTHONPATH": "/x"}).out
    assert "PYTHONPATH=/x" in told
    assert "PYTHONDONTWRITEBYTECODE" not in told
    assert environment({"A": "b"})["A"] == "b"


@given(st.floats(0.001, 1e6))
def test_grid_lines_are_few_and_round(largest):
    distance = step(largest)
    assert largest <= 6 * distance * (1 + 1e-9)
    assert largest >= distance
    assert f"{distance:.0e}"[0] in "125"


@given(st.dictionaries(st.integers(), st.floats(0, 400), max_size=6))
def test_labels_do_not_lie_on_each_other(wanted):
    heights = sorted(spread(wanted, 16).values())
    assert all(b - a >= 16 - 1e-6 for a, b in itertools.pairwise(heights))
    assert set(spread(wanted, 16)) == set(wanted)


def test_the_picture_is_whole():
    lines = [Line("deploy <a>", [(3, 5.0), (50, 20.0)]), Line("proof", [(3, 1.0), (50, 19.9)])]
    root = ET.fromstring(draw("Time & hosts", lines))
    texts = [e.text for e in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts[0] == "Time & hosts"
    assert {"0 s", "5 s", "20 s", "3", "50", "hosts", "deploy <a>, 20.0 s", "proof, 19.9 s"} <= set(texts)
    assert len(list(root.iter("{http://www.w3.org/2000/svg}circle"))) == 4
    single = ET.fromstring(draw("one", [Line("one", [(3, 1.0)])]))
    assert single.get("viewBox") == "0 0 760 380"
