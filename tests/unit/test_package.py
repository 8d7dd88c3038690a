"""The sdist and the wheel that is built from it: whole, installed, and run as from `pipx install`."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from overweave import __version__

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src/overweave"


def files():
    """Of the package, as they have to be in an archive."""
    found = (path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {path.relative_to(ROOT / "src").as_posix() for path in found}


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    # From a copy: setuptools leaves its own folders beside the source, and other tests read that.
    source = tmp_path_factory.mktemp("source")
    names = ("pyproject.toml", "README.md", "LICENSE", "src/overweave")
    subprocess.run(("cp", "--recursive", "--parents", *names, str(source)), cwd=ROOT, check=True)
    command = (sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(source))
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done
    return folder


def test_the_archives_have_all_of_the_package_and_nothing_else(dist):
    with tarfile.open(dist / f"overweave-{__version__}.tar.gz") as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {f"src/{name}" for name in files()} <= names
    assert {"LICENSE", "README.md", "pyproject.toml"} <= names
    with zipfile.ZipFile(dist / f"overweave-{__version__}-py3-none-any.whl") as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name}
        told = Parser().parsestr(archive.read(f"overweave-{__version__}.dist-info/METADATA").decode())
    assert inside == files()
    assert "overweave/py.typed" in inside
    assert told["Requires-Python"] == ">=3.11"
    assert told["Version"] == __version__


def test_the_wheel_runs_where_there_is_no_checkout(dist, tmp_path):
    """With the other packages of this environment: their archives would have to come from somewhere."""
    there = tmp_path / "venv"
    venv.create(there, with_pip=False)
    python = there / "bin/python"
    install = ("-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index")
    subprocess.run((sys.executable, *install, *map(str, dist.glob("*.whl"))), check=True)
    (site,) = there.glob("lib/python3*/site-packages")
    # Its path alone: the links to the checkout that are in there are not followed.
    (site / "others.pth").write_text(sysconfig.get_path("purelib"))
    own = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}

    def run(*words):
        done = subprocess.run(words, cwd=tmp_path, env=own, capture_output=True, text=True)
        assert done.returncode == 0, done
        return done.stdout

    where = "import overweave.render as it; print(it.__file__)"
    assert run(str(python), "-c", where).startswith(str(there))
    assert run(str(there / "bin/overweave"), "--version") == f"overweave {__version__}\n"
    assert "  deploy-overlay  " in run(str(there / "bin/overweave"), "--list")
