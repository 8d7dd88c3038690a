"""A wrong command line is told with what is nearest to it, and ends with exit code 2, in both programs."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import fabric
import pytest
from fabric.main import Fab

from overweave.cli import mistakes
from overweave.cli.collection import collect
from overweave.cli.executor import FleetExecutor
from overweave.cli.program import Program, adopt

ROOT = Path(__file__).parents[3]


def run(*words, made=None):
    program = made or Program(
        name="overweave",
        binary="overweave",
        binary_names=["overweave"],
        namespace=collect(ROOT),
        executor_class=FleetExecutor,
        config_class=fabric.Config,
    )
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as ended,
    ):
        program.run([program.binary, *words])
    return ended.value.code or 0, out.getvalue(), err.getvalue()


LIST = "`overweave --list` shows all tasks"
NETWORKS = "`overweave --help networks` shows all options"
CALLED = "shows how it is called"


@pytest.mark.parametrize(
    ("words", "said", "next_step"),
    [
        ("deploy", "there is no task 'deploy'", f"did you mean deploy-overlay? {LIST}"),
        ("deploi-overlay", "there is no task 'deploi-overlay'", f"did you mean deploy-overlay? {LIST}"),
        ("lab", "there is no task 'lab'", f"did you mean lab.box or lab.down or lab.fault? {LIST}"),
        ("kubernetes", "there is no task 'kubernetes'", LIST),
        ("networks extra", "there is no task 'extra'", LIST),
        ("--help statsu", "there is no task 'statsu'", f"did you mean status? {LIST}"),
        ("networks --tre", "networks has no option '--tre'", f"did you mean --tree? {NETWORKS}"),
        (
            "networks --inventry x",
            "networks has no option '--inventry'",
            f"did you mean --inventory? {NETWORKS}",
        ),
        ("networks -q", "networks has no option '-q'", NETWORKS),
        (
            "--host a status",
            "overweave has no option '--host'",
            "did you mean --hosts? `overweave --help` shows all options",
        ),
        (
            "-H",
            "--hosts needs a value: Comma-separated host name(s) to execute tasks against.",
            f"`overweave --help` {CALLED}",
        ),
        (
            "networks --json",
            "--json needs a value: write the result as JSON to this file; - for stdout",
            f"`overweave --help networks` {CALLED}",
        ),
        (
            "add-host",
            "add-host needs HOST",
            "as in `overweave add-host HOST`; `overweave --help add-host` shows its options",
        ),
        (
            "trace web",
            "trace needs TARGET",
            "as in `overweave trace SOURCE TARGET`; `overweave --help trace` shows its options",
        ),
        (
            "validate-overlay --repeat x",
            "--repeat: 'x' is not a number",
            "`overweave --help TASK` shows its options",
        ),
        (
            "validate-overlay --timeout=1s",
            "--timeout: '1s' is not a number",
            "`overweave --help TASK` shows its options",
        ),
        ("status --quiet --verbose", "--quiet and --verbose say the opposite", "take one of them"),
    ],
)
def test_what_is_wrong_and_what_is_nearest(words, said, next_step):
    assert run(*words.split()) == (2, "", f"overweave: {said}\n  -> {next_step}\n")


def stock():
    program = Fab(name="Fabric", binary="fab", namespace=collect(ROOT), config_class=fabric.Config)
    adopt(program)
    return program


def test_the_stock_program_says_it_in_the_same_words_with_its_own_name():
    assert run("deploy", made=stock()) == (
        2,
        "",
        "overweave: there is no task 'deploy'\n"
        "  -> did you mean deploy-overlay? `fab --list` shows all tasks\n",
    )


MEND = (
    "  -> it is in ~/.fabric.yaml, fabric.yaml, ~/.ssh/config, and in what -f and -S name: "
    "mend it, or move it away\n"
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [b\n", 'while parsing a flow sequence in "{file}", line 1, column 4 expected'),
        ("hello\n", "'str' object has no attribute 'items'"),
        ("sudo: 3\n", "Can't cleanly merge <class 'dict'>"),
    ],
)
def test_a_configuration_of_fabric_that_can_not_be_read(tmp_path, monkeypatch, text, said):
    file = tmp_path / ".fabric.yaml"
    file.write_text(text)
    monkeypatch.setenv("HOME", str(tmp_path))
    status, out, err = run("--list")
    assert (status, out) == (2, "")
    told = f"overweave: the configuration of Fabric or ssh can't be read: {said.format(file=file)}"
    assert err.startswith(told)
    assert err.endswith(MEND)


@pytest.mark.parametrize("made", [lambda: None, stock], ids=["ours", "the stock one"])
@pytest.mark.parametrize(
    ("option", "text", "said"),
    [
        ("-S", "Match foo\n", "Missing parameter to Match 'foo' keyword"),
        ("-S", None, "[Errno 2] No such file or directory: '{file}'"),
        ("-f", "a: 'b", 'while scanning a quoted scalar in "{file}", line 1, column 4'),
    ],
)
def test_a_file_of_configuration_that_was_named(tmp_path, option, text, said, made):
    file = tmp_path / "x.yaml"
    if text is not None:
        file.write_text(text)
    status, out, err = run(option, str(file), "status", made=made())
    assert (status, out) == (2, "")
    assert said.format(file=file) in err
    assert err.endswith(MEND)


def test_the_words_of_a_terminal_are_shown_safe():
    assert "\x1b" not in run("a\x1b[31m")[2]


def test_the_version():
    assert run("--version") == (0, "overweave 0.1.0\n", "")


def test_nearest():
    assert mistakes.nearest("store-", ["store-b", "status", "store-a"]) == ["store-a", "store-b"]
    assert mistakes.nearest("stats", ["status", "store"]) == ["status"]
    assert mistakes.nearest("", []) == []
