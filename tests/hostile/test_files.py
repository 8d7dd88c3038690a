"""Inventories that are traps: small files that mean a lot, large ones that mean nothing, odd values."""

from __future__ import annotations

import re
import shlex
import subprocess
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overweave.command import change, query_script
from overweave.errors import InventoryError, OverweaveError, UsageError
from overweave.inventory import SIZE_LIMIT, VALUES_LIMIT, choose, load, parse, parse_host

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)
ODD = [
    "a b",
    "a'b",
    'a"b',
    "a\nb",
    "$(id)",
    "`id`",
    "-oProxyCommand=id",
    "a;b",
    "\x1b[31m",
    "\u202e",
    "",
]


@pytest.mark.parametrize(
    "bomb",
    [
        LAUGHS,
        LAUGHS + "hosts: *a11\n",
        "x: &x {a: 1}\n" + "".join(f"x{n}: &x{n} {{<<: *x}}\n" for n in range(2000)) + "hosts: *x\n",
        "hosts: [" + "[" * 5000,
        "? " * 5000 + "x",
        "hosts: {a: " + "9" * 100_000 + "}",
        f"hosts: {{a: {{port: {'9' * 10_000}}}}}",
        "hosts: {" + ", ".join(f"h{n}: {{address: x}}" for n in range(3000)) + "}",
    ],
    ids=["laughs", "laughing hosts", "merges", "depth", "keys", "number", "port", "twins"],
)
def test_a_bomb_is_an_error_in_seconds_and_in_few_words(bomb):
    started = time.monotonic()
    with pytest.raises(OverweaveError) as caught:
        parse(bomb)
    assert len(str(caught.value)) < 400
    assert time.monotonic() - started < 20


def test_laughs_are_counted_before_they_are_looked_at():
    with pytest.raises(InventoryError, match=f"more than {VALUES_LIMIT} values are no inventory"):
        parse(LAUGHS)


def test_a_file_without_an_end_is_no_inventory(tmp_path):
    path = tmp_path / "x.yml"
    path.symlink_to("/dev/zero")
    with pytest.raises(InventoryError, match=f"more than {SIZE_LIMIT} characters are no inventory"):
        load(path)


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize(
    "text",
    [
        "hosts: {%s: }",
        "hosts: {a: {address: %s}}",
        "hosts: {a: {advertise: %s}}",
        "hosts: {a: }\nnetwork: {name: %s}",
        "hosts: {a: }\nnetwork: {subnet: %s}",
        "hosts: {a: }\nstore: {image: %s}",
        "hosts: {a: }\nimages: {probe: %s}",
        "hosts: {a: }\nimages: {archives: {%s: x.tar}}",
    ],
)
def test_odd_values_are_refused_where_they_name_something(text, odd):
    quoted = '"' + "".join(f"\\u{ord(c):04x}" for c in odd) + '"'
    try:
        fleet = parse(text % quoted)
    except InventoryError:
        return
    # An ssh address may be any word; it is never a word of a shell.
    assert fleet.hosts[0].access.address == odd
    assert not re.search(r"\s|,|@", odd)


@pytest.mark.parametrize("key", ["key", "known_hosts"])
@pytest.mark.parametrize("odd", ["with space", "'quotes' \"too\"", "line\nbreak", "ünï", "-dash", "$(id)"])
def test_paths_may_be_any(tmp_path, key, odd):
    quoted = '"' + "".join(f"\\u{ord(c):04x}" for c in odd) + '"'
    fleet = parse(f"hosts: {{a: {{{key}: {quoted}}}}}\nimages: {{archives: {{x: {quoted}}}}}", tmp_path)
    assert getattr(fleet.hosts[0].access, key) == tmp_path / odd
    assert fleet.images.archives["x"].path == tmp_path / odd


@given(st.text(st.characters(codec=None), max_size=30) | st.sampled_from(ODD))
def test_any_word_of_the_command_line_is_a_host_or_an_error_of_usage(text):
    try:
        hosts = choose([text], None).hosts
    except UsageError:
        return
    assert hosts[0] == parse_host(text)
    assert not any(c.isspace() for c in hosts[0].name)


WORDS = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12), max_size=4)


@given(WORDS)
def test_words_survive_a_shell_in_a_shell(words):
    """As on a host: a login shell, sudo's words, and the script's own shell."""
    script = query_script('for word in "$@"; do printf "%s\\0" "$word"; done', *words)
    line = f"exec {change('env', '--', *script.words).shell()}"
    for shell in (["sh", "-c", line], ["bash", "-c", line], ["sh", "-c", f"sh -c {shlex.quote(line)}"]):
        out = subprocess.run(shell, capture_output=True, check=True).stdout.decode()
        assert out.split("\0")[:-1] == words
