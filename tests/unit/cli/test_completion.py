"""Tasks, options and hosts complete, in a real bash, zsh and fish too."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from overweave.cli import completion

ROOT = Path(__file__).parents[3]
PROGRAMS = Path(sys.executable).parent


@pytest.fixture
def fleet(tmp_path):
    file = tmp_path / "fleet.yml"
    file.write_text("hosts: {web1: , web2: , db: }\n")
    return str(file)


@pytest.mark.parametrize(
    ("typed", "becomes"),
    [
        ("fab -H", ["web1", "web2", "db"]),
        ("fab --hosts", ["web1", "web2", "db"]),
        ("fab status -H w", ["web1", "web2", "db"]),
        ("fab -H web1,", ["web1,web2", "web1,db"]),
        ("fab -H db,web2,w", ["db,web2,web1"]),
        ("fab -H web1", []),  # the next word begins, as far as a shell tells
        ("fab -H web1,db sta", []),
        ("fab", []),
        ("", []),
    ],
)
def test_what_the_last_word_may_become(fleet, typed, becomes):
    words = typed.split()
    assert completion.hosts([*words[:1], "--inventory", fleet, *words[1:]] if words else []) == becomes


def test_without_an_inventory_nothing_completes_and_nothing_fails(tmp_path):
    assert completion.hosts(["fab", "--inventory", str(tmp_path / "none.yml"), "-H"]) == []


SCRIPT = """\
eval "$({program} --print-completion-script bash)"
typed() {{
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
    _complete_{program} "$1" "${{@: -1}}" "${{@: -2:1}}"
    echo "${{COMPREPLY[@]}}"
}}
typed {program} val
typed {program} networks --tr
typed {program} -H ''
typed {program} -H web1,w
typed {program} -H web1 vali
typed {program} lab.run web1 -- "'"
"""


@pytest.fixture
def shell(fleet, tmp_path):
    """Runs a shell in this folder with a home of its own: what it printed."""

    def run(*words):
        variables = {
            "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
            "OVERWEAVE_INVENTORY": fleet,
            "HOME": str(tmp_path),
            "TERM": "xterm",
        }
        done = subprocess.run(
            words, env=variables, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    return run


@pytest.mark.parametrize("program", ["fab", "overweave"])
def test_a_bash_completes_tasks_options_and_hosts(shell, program):
    shown = shell("bash", "-c", SCRIPT.format(program=program)).splitlines()
    assert shown == ["validate-overlay", "--tree", "web1 web2 db", "web1,web2", "validate-overlay", ""]


ZSHRC = """\
autoload -Uz compinit && compinit -D -u
eval "$(fab --print-completion-script zsh)"
zle-line-init() {
    for BUFFER in 'fab val' 'fab networks --tr' 'fab -H web1,w'; do
        CURSOR=$#BUFFER
        zle expand-or-complete
        print -r -- "$BUFFER" >> $HOME/lines
    done
    exit
}
zle -N zle-line-init
"""
"""Its line editor completes each line as on a press of Tab; it takes a terminal, which `script` gives it."""


def test_a_zsh_completes_tasks_options_and_hosts(shell, tmp_path):
    (tmp_path / ".zshrc").write_text(ZSHRC)
    shell("script", "-qec", "zsh -i", "/dev/null")
    assert (tmp_path / "lines").read_text().splitlines() == [
        "fab validate-overlay ",
        "fab networks --tree ",
        "fab -H web1,web2 ",
    ]


FISH = """\
fab --print-completion-script fish | source
for typed in 'fab val' 'fab networks --tr' 'fab -H web1,w'
    complete --do-complete $typed
end
"""


def test_a_fish_completes_tasks_options_and_hosts(shell):
    shown = shell("fish", "--no-config", "-c", FISH).splitlines()
    assert shown == ["validate-overlay", "--tree", "web1,web2"]
