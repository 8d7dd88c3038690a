"""The Vagrantfile, as Vagrant itself reads it. Needs the Debian packages vagrant and vagrant-libvirt."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from overweave.lab.recipe import RECIPES

FOLDER = Path(__file__).parents[2] / "vagrant"

VBOXMANAGE = """\
#!/bin/sh
# Vagrant only looks whether VirtualBox is there; the checks of its settings are Vagrant's own.
[ "$*" = --version ] && echo 7.0.10r158379
"""


@pytest.fixture
def vagrant(tmp_path):
    """Runs vagrant on our file, and leaves nothing in the checkout or the home folder."""
    if shutil.which("vagrant") is None:
        pytest.fail("there is no vagrant: apt-get install --no-install-recommends vagrant vagrant-libvirt")
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "VBoxManage").write_text(VBOXMANAGE)
    (programs / "VBoxManage").chmod(0o755)
    # The caller's own VAGRANT_* and OVERWEAVE_* would change what is tested.
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("VAGRANT_", "OVERWEAVE_"))}

    def run(*words, **variables):
        return subprocess.run(
            ("vagrant", *words),
            cwd=FOLDER,
            env={
                **clean,
                "PATH": f"{programs}:{os.environ['PATH']}",
                "VAGRANT_HOME": str(tmp_path / "home"),
                "VAGRANT_DOTFILE_PATH": str(tmp_path / "machines"),
                "VAGRANT_CHECKPOINT_DISABLE": "1",
                **variables,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


ALL = {
    "OVERWEAVE_DRIVER": "qemu",
    "OVERWEAVE_ENGINE": "26",
    "OVERWEAVE_BOX": "overweave/trixie",
    "OVERWEAVE_MANAGEMENT": "10.197.0.0/24",
    "OVERWEAVE_MANAGEMENT_MODE": "none",
    "OVERWEAVE_POOL": "/var/tmp/pool",
}


@pytest.mark.parametrize(("provider", "variables"), [("virtualbox", {}), ("libvirt", {}), ("libvirt", ALL)])
def test_settings_of_each_provider_are_valid(vagrant, provider, variables):
    result = vagrant("validate", VAGRANT_DEFAULT_PROVIDER=provider, **variables)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("variables", "made", "count"),
    [({}, [], 3), ({"OVERWEAVE_HOSTS": "2"}, ["host4"], 2), ({}, ["host4"], 4)],
)
def test_hosts_are_as_many_as_were_asked_for_or_made(vagrant, tmp_path, variables, made, count):
    for name in (*made, "host9"):
        (tmp_path / "machines/machines" / name / "libvirt").mkdir(parents=True)
    for name in made:  # one that was destroyed leaves its folder
        (tmp_path / "machines/machines" / name / "libvirt/id").write_text("a")
    result = vagrant("validate", "--ignore-provider", **variables)
    assert result.returncode == 0, result.stdout + result.stderr
    named = [line.split()[1] for line in result.stdout.splitlines() if line.startswith("==> host")]
    assert named == [f"host{number}:" for number in range(1, count + 1)]


@pytest.mark.parametrize("hosts", ["", "three", "0", "201"])
def test_a_number_of_hosts_that_makes_no_sense_is_refused(vagrant, hosts):
    result = vagrant("validate", "--ignore-provider", OVERWEAVE_HOSTS=hosts)
    assert result.returncode != 0
    assert "OVERWEAVE_HOSTS must be a number from 1 to 200" in result.stdout + result.stderr


def test_words_that_nobody_knows_are_refused_and_engines_are_those_of_the_lab(vagrant):
    for variable, words in (("ENGINE", f"one of {', '.join(RECIPES)}"), ("DRIVER", "kvm or qemu")):
        result = vagrant("validate", "--ignore-provider", **{f"OVERWEAVE_{variable}": "xen"})
        assert result.returncode != 0
        assert f"OVERWEAVE_{variable} must be {words}\n" in result.stdout + result.stderr
