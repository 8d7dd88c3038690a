"""Files of reports: what can't be written is said before the work, and each is replaced as a whole."""

from __future__ import annotations

import json
import os
import stat
import threading

import pytest
from tests.unit.report.fleets import fleet, two_faults

from overweave.cli import reports
from overweave.errors import UsageError

NOTE = "nothing to do"


def refused(**files):
    with pytest.raises(UsageError) as caught:
        reports.wanted(**files)
    return str(caught.value)


def test_all_files_are_written_and_each_is_of_its_kind(tmp_path, capsys):
    files = {name: str(tmp_path / f"proof.{name}") for name in reports.PROOF}
    reports.wanted(**files).show(two_faults(25), changed=True)
    begins = {"json": "{", "junit": "<?xml ", "prometheus": "# HELP overweave_", "html": "<!DOCTYPE html>"}
    for name, begin in begins.items():
        assert (tmp_path / f"proof.{name}").read_text().startswith(begin)
    assert json.loads((tmp_path / "proof.json").read_text())["changed"] is True
    assert len(list(tmp_path.iterdir())) == 4, "and nothing is left beside them"
    assert "550 of 600 directed pairs green on overweave" in capsys.readouterr().out


@pytest.mark.parametrize("name", reports.PROOF)
def test_one_may_be_standard_output_and_nothing_else_is_there(name, tmp_path, capsys):
    result = reports.wanted(**{name: "-"})
    assert result.on_stdout
    result.show(fleet(3))
    out, err = capsys.readouterr()
    assert out.startswith(("{\n", "<?xml", "# HELP", "<!DOCTYPE"))
    assert "directed pairs green on overweave in" not in out
    assert err == ""


def test_no_two_reports_are_one_file(tmp_path):
    assert refused(json="-", html="-") == (
        "--json and --html are both standard output\n  -> name a file for each"
    )
    (tmp_path / "link").symlink_to("x")
    assert refused(junit=str(tmp_path / "x"), html=str(tmp_path / "link")) == (
        f"--junit and --html are both {tmp_path}/link\n  -> name a file for each"
    )


@pytest.mark.parametrize("name", reports.PROOF)
def test_what_can_not_be_written_is_said_before(name, tmp_path):
    (tmp_path / "file").write_text("old")
    for where, why in (
        ("nowhere/x", "No such file or directory"),
        ("file/x", "Not a directory"),
        (".", "Is a directory"),
        ("x" * 300, "File name too long"),
    ):
        path = f"{tmp_path}/{where}"
        assert refused(**{name: path}) == f"--{name} {path}: {why}\n  -> name a file that can be written"
    assert refused(html="/proc/x") == (
        "--html /proc/x: No such file or directory\n  -> name a file that can be written"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_nothing_is_written_where_nothing_was_asked_for(capsys):
    result = reports.wanted(json=None, junit=None, prometheus="", html=None)
    assert (dict(result.files), result.on_stdout) == ({}, False)
    result.show(fleet(3))
    assert "6 of 6 directed pairs green on overweave" in capsys.readouterr().out


def test_what_goes_wrong_at_the_end_is_an_error_of_usage(tmp_path):
    (tmp_path / "folder").mkdir()
    result = reports.wanted(html=str(tmp_path / "folder/x"))
    (tmp_path / "folder").rmdir()
    with pytest.raises(UsageError, match=r"--html .*/folder/x: No such file or directory"):
        result.show(fleet(3))


def test_a_link_stays_one_and_a_pipe_too(tmp_path):
    (tmp_path / "page").write_text("old")
    (tmp_path / "link").symlink_to("page")
    os.mkfifo(tmp_path / "pipe")
    result = reports.wanted(html=str(tmp_path / "link"), prometheus=str(tmp_path / "pipe"))
    read = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_text()), daemon=True)
    reader.start()
    result.show(fleet(3))
    reader.join(10)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "page").read_text().startswith("<!DOCTYPE html>")
    assert read[0].startswith("# HELP overweave_")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_run_without_a_proof_says_which_files_stay_as_they_were(tmp_path, capsys):
    told = []
    page = tmp_path / "page"
    page.write_text("old")
    result = reports.wanted(json=str(tmp_path / "j"), html=str(page))
    result.show_no_proof(NOTE, {"kind": "deployment"}, lambda host, what: told.append(what))
    assert told == [f"no proof was made, so --html {page} was not written: validate-overlay does"]
    assert page.read_text() == "old"
    assert json.loads((tmp_path / "j").read_text()) == {"kind": "deployment"}
    assert capsys.readouterr().out == f"{NOTE}\n"


def test_a_dry_run_makes_no_proof(tmp_path):
    reports.refuse_without_proof(reports.wanted(json=str(tmp_path / "j")), "dry-run")
    with pytest.raises(UsageError) as caught:
        reports.refuse_without_proof(reports.wanted(html=str(tmp_path / "x")), "dry-run")
    assert str(caught.value) == (
        "--html is about a proof, and with --dry-run none is made\n  -> leave one of them out"
    )
