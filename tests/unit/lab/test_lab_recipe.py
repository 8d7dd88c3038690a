"""The image's name follows everything that is in it, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from overweave.errors import UsageError
from overweave.lab.image import key
from overweave.lab.recipe import RECIPES, recipe


def test_equal_recipes_share_an_image():
    assert key(recipe("20.10-consul")) == key(replace(RECIPES["20.10-consul"]))
    suite, digits = key(recipe("20.10-consul")).split("-")
    assert suite == "bullseye"
    assert len(digits) == 12
    assert int(digits, 16) >= 0


@pytest.mark.parametrize(
    "change",
    [
        {"suite": "bookworm"},
        {"packages": ("systemd",)},
        {"customize": "true\n"},
        {"files": {**RECIPES["20.10-consul"].files, "/etc/motd": (0o644, "hello\n")}},
        {"files": {name: (0o600, text) for name, (_, text) in RECIPES["20.10-consul"].files.items()}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_any_change_of_a_recipe_is_another_image(change):
    assert key(replace(RECIPES["20.10-consul"], **change)) != key(RECIPES["20.10-consul"])


def test_an_unknown_engine_is_refused():
    with pytest.raises(UsageError) as caught:
        recipe("1.9")
    assert str(caught.value) == (
        "no lab host can have the engine '1.9'\n"
        "  -> there are 20.10-consul, 20.10-etcd, 26; several with commas"
    )


def test_each_engine_has_an_image_of_its_own():
    assert [key(recipe(engine)).split("-")[0] for engine in RECIPES] == ["bullseye", "bookworm", "trixie"]
