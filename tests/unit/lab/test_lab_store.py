"""Which store a lab's inventory names."""

from __future__ import annotations

import pytest

from overweave.lab.recipe import store


@pytest.mark.parametrize(
    ("engines", "kind"),
    [
        (["20.10-consul"], "consul"),
        (["20.10-etcd"], "etcd"),
        (["20.10-consul", "20.10-etcd"], "etcd"),
        (["20.10-consul", "20.10-etcd", "26"], "consul"),
        (["26"], "consul"),
    ],
)
def test_it_is_one_that_all_engines_can_have_or_else_of_consul(engines, kind):
    assert store(engines) == kind
