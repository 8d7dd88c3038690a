"""The image's name follows everything that is in it, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from overweave.errors import UsageError
from overweave.lab.image import key
from overweave.lab.recipe import RECIPES, recipe


def test_equal_recipes_share_an_image():
    assert key(recipe("bullseye")) == key(replace(RECIPES["bullseye"]))
    suite, digits = key(recipe("bullseye")).split("-")
    assert suite == "bullseye"
    assert len(digits) == 12
    assert int(digits, 16) >= 0


@pytest.mark.parametrize(
    "change",
    [
        {"suite": "bookworm"},
        {"packages": ("systemd",)},
        {"customize": "true\n"},
        {"files": {**RECIPES["bullseye"].files, "/etc/motd": (0o644, "hello\n")}},
        {"files": {name: (0o600, text) for name, (_, text) in RECIPES["bullseye"].files.items()}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_any_change_of_a_recipe_is_another_image(change):
    assert key(replace(RECIPES["bullseye"], **change)) != key(RECIPES["bullseye"])


def test_an_unknown_suite_is_refused():
    with pytest.raises(UsageError) as caught:
        recipe("potato")
    assert str(caught.value) == "there is no lab of suite 'potato'\n  -> suites: bullseye"
