"""The picture of a run: what was said, shortened honestly, with nothing that is fetched from elsewhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parents[3]
SVG = "{http://www.w3.org/2000/svg}"


def drawn(path):
    """Its lines of text, spaces as they are typed."""
    lines = {}
    for text in ElementTree.parse(path).iter(f"{SVG}text"):
        lines.setdefault(float(text.get("y")), []).append((float(text.get("x")), text.text))
    return [
        "".join(part for _, part in sorted(line)).replace("\xa0", " ") for _, line in sorted(lines.items())
    ]


def run(path, script):
    words = (sys.executable, "scripts/terminal_picture.py", str(path), "sh", "-c", script)
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True)


def test_what_a_command_says_on_a_terminal_is_drawn(tmp_path):
    path = tmp_path / "out.svg"
    ran = run(path, r"test -t 1 && stty size && printf '\033[31mRED\033[0m end\n'; echo late >&2")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert [line.strip() for line in drawn(path)[2:]] == ["40 100", "RED end", "late"]
    assert "http" not in path.read_text().replace("http://www.w3.org/2000/svg", "").replace(
        "https://www.textualize.io", ""
    )


def test_a_long_output_says_how_much_of_it_is_left_out(tmp_path):
    path = tmp_path / "out.svg"
    assert run(path, "seq 100").returncode == 0
    lines = [line.strip() for line in drawn(path)]
    assert lines[2:15] == [*map(str, range(1, 13)), "… 62 lines …"]
    assert lines[15:] == [*map(str, range(75, 101))]


def test_a_command_that_fails_is_no_picture(tmp_path):
    path = tmp_path / "out.svg"
    ran = run(path, "echo broken; exit 3")
    assert (ran.returncode, path.exists()) == (1, False)
    assert ran.stderr.replace("\r", "") == "sh -c 'echo broken; exit 3': exit code 3\nbroken\n\n"


def test_the_picture_in_the_readme_is_of_a_green_proof():
    lines = drawn(ROOT / "docs/deploy.svg")
    assert "$ fab deploy-overlay -H host1,host2,host3" in [line.strip() for line in lines]
    assert any("6 of 6 directed pairs green" in line for line in lines)
    assert "](docs/deploy.svg)" in (ROOT / "README.md").read_text()
