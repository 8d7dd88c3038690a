"""The site is built as scripts/check builds it: what leads nowhere stops it."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def build(folder, page):
    """(exit code, warnings) of a site with one page, in our configuration."""
    (folder / "docs").mkdir()
    (folder / "docs/index.md").write_text(f"# Here\n\n{page}\n")
    settings = {
        "INHERIT": str(ROOT / "mkdocs.yml"),
        "hooks": [str(ROOT / "scripts/site_links.py")],
        "nav": [{"Map": "index.md"}],
    }
    (folder / "mkdocs.yml").write_text(json.dumps(settings))
    line = next(it for it in (ROOT / "scripts/check").read_text().splitlines() if "/mkdocs " in it)
    _, *words = shlex.split(line)
    command = (sys.executable, "-m", "mkdocs", *words, "--config-file", str(folder / "mkdocs.yml"))
    ran = subprocess.run(command, capture_output=True, text=True)
    return ran.returncode, [it for it in ran.stderr.splitlines() if it.startswith("WARNING")]


def test_links_that_lead_nowhere_stop_the_build(tmp_path):
    status, warnings = build(tmp_path, "[x](nowhere.md) [y](#nope) [z](../src/nope.py)")
    assert status == 1
    for warning in (
        "contains a link 'nowhere.md', but the target is not found",
        "contains a link '#nope', but there is no such anchor",
        "index.md: src/nope.py is not there",
    ):
        assert sum(warning in it for it in warnings) == 1, warnings
    assert len(warnings) == 3


def test_a_link_out_of_docs_is_told_by_its_path(tmp_path):
    page = "[the rules](../src/overweave/prove/rules.py), [pyproject.toml](../pyproject.toml), [here](#here)"
    assert build(tmp_path, page) == (0, [])
    html = (tmp_path / "build/site/index.html").read_text()
    assert "the rules (<code>src/overweave/prove/rules.py</code>)" in html
    assert "<code>pyproject.toml</code>, <a " in html
