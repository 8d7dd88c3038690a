"""Templates: filled whole, or not at all."""

from __future__ import annotations

import jinja2
import pytest

from overweave.render import render


def test_a_missing_value_is_a_bug_and_raises():
    with pytest.raises(jinja2.UndefinedError, match="'environment' is undefined"):
        render("docker.service.conf.j2", exec_start="/usr/bin/dockerd")


def test_values_are_not_escaped():
    text = render("docker.service.conf.j2", exec_start="/x '<&>\"'", flags=("--a=<b>",), environment="/e")
    assert "ExecStart=/x '<&>\"' --a=<b>\n" in text
