"""Imports go one way: the rules 1 and 2 of the architecture, read off the source."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "overweave"

LAYERS = (
    {"wanted", "ranges", "errors", "printable", "files", "__init__"},
    {"model"},
    {"command", "sources"},
    {"ports", "render", "inventory_base"},
    {"inventory_networks"},
    {"inventory_sections"},
    {"fleet", "waiting", "inventory"},
    {"gossip", "audit", "firewall"},
    {"stores"},
    {"credentials", "certificates"},
    {"facts"},
    {"steps", "advertise", "store_host", "store_part", "backup"},
    {"undo", "units", "store_service", "anchor", "images"},
    {"boot", "backup_unit", "store_form"},
    {"journal"},
    {"overlay"},
    {"preflight", "backends", "teardown", "state", "store_state", "trace", "rebuild", "networks"},
    {"swarms"},
    {"narrow", "doctor", "restore", "servers", "backend", "reconcile"},
    {"plan", "departure", "whereabouts", "moving"},
    {"departure_swarm"},
    {"apply", "prove", "bench"},
    {"report", "lock", "adapters", "lab"},
    {"session"},
    {"proving", "kept"},
    {"checkup", "servicing"},
    {"pipeline", "tracing", "networking", "recovery", "rotation"},
    {"storekeeping", "hosts", "wanting", "migration", "swarm_recovery"},
    {"store_changes"},
    {"cli"},
)
"""Bottom to top: a module or package imports from layers below its own, and inside its own package."""

STRANGERS = ("backends", "stores", "adapters")
"""Packages whose modules don't import each other, but for what they share."""
SHARED = {
    "backends/cluster_host",
    "adapters/http_stream",
    "adapters/host_keys",
    "adapters/ssh_errors",
    "adapters/ssh_transport",
    "adapters/ssh_connect",
    "adapters/image_archive",
    "adapters/after_mark",
    "adapters/engine_socket",
    "stores/snapshot",
    "stores/common",
}

EDGE = {
    "paramiko": ("adapters/",),
    "docker": ("adapters/",),
    "consul": ("adapters/",),
    "requests": ("adapters/",),
    "urllib3": ("adapters/",),
    "fabric": ("adapters/ssh", "adapters/ssh_connect", "adapters/ssh_errors", "cli/", "session"),
    "invoke": ("adapters/ssh", "cli/"),
    "yaml": ("inventory",),
    "cryptography": ("certificates",),
    "pydantic": ("inventory", "inventory_base", "inventory_networks", "inventory_sections"),
    "jinja2": ("render",),
    "rich": ("report/", "cli/"),
    "msgpack": ("gossip/wire", "gossip/events", "stores/snapshot_contents"),
}
"""Third parties stay at the edge. `session` names Fabric's configuration, which it only hands on."""

MODULES = sorted(str(p.relative_to(SOURCE).with_suffix("")) for p in SOURCE.rglob("*.py"))


def imports(module):
    """(whether it is ours, what) for every import of a module, ours as in ``facts/unit``."""
    package = module.split("/")[:-1]
    for node in ast.walk(ast.parse((SOURCE / f"{module}.py").read_text())):
        if isinstance(node, ast.Import):
            found = [(0, alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found = [(node.level, node.module or "", alias.name) for alias in node.names]
        else:
            continue
        for level, name, member in found:
            if level:
                base = package[: len(package) - level + 1]
            elif name.split(".")[0] == "overweave":
                base, name = [], ".".join(name.split(".")[1:])
            else:
                yield False, name.split(".")[0]
                continue
            path = "/".join([*base, *filter(None, name.split("."))])
            inner = f"{path}/{member}".lstrip("/")
            yield True, inner if inner in MODULES else path or "__init__"


def layer(module):
    top = module.split("/")[0]
    return next((i for i, names in enumerate(LAYERS) if top in names), len(LAYERS))


def test_every_module_has_a_layer_of_its_own():
    tops = {module.split("/")[0] for module in MODULES}
    named = [name for names in LAYERS for name in names]
    assert tops - set(named) == set()
    assert len(named) == len(set(named))


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_down(module):
    own = module.split("/")[0]
    ours = [what for its, what in imports(module) if its and what.split("/")[0] != own]
    assert [what for what in ours if layer(what) >= layer(module)] == []


@pytest.mark.parametrize("module", [m for m in MODULES if m.split("/")[0] in STRANGERS])
def test_modules_of_one_kind_do_not_know_each_other(module):
    own = module.split("/")[0]
    siblings = [what for ours, what in imports(module) if ours and what.startswith(f"{own}/")]
    assert set(siblings) <= SHARED


@pytest.mark.parametrize("module", MODULES)
def test_third_parties_stay_at_the_edge(module):
    strays = [
        what
        for ours, what in imports(module)
        if not ours
        and what in EDGE
        and not any(module == p or (p[-1] == "/" and module.startswith(p)) for p in EDGE[what])
    ]
    assert strays == []


def test_third_parties_are_all_known():
    found = {what for m in MODULES for ours, what in imports(m) if not ours} - set(sys.stdlib_module_names)
    assert found <= set(EDGE)
