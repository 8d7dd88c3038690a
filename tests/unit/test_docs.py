"""Docs that can drift are held to the code."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from markdown.extensions.toc import slugify

from overweave import errors, inventory_sections
from overweave.cli import reference
from overweave.cli.collection import collect

ROOT = Path(__file__).parents[2]


def test_the_architecture_page_names_every_module_and_no_other():
    page = (ROOT / "docs/architecture.md").read_text()
    layout = page[page.index("    src/overweave/") : page.index("## Rules")]
    named = set(re.findall(r"\b[a-z_]+\.py\b", layout))
    package = ROOT / "src/overweave"
    there = {
        path.name
        for path in package.rglob("*.py")
        if path.name != "__init__.py" and path.relative_to(package).parts[0] != "lab"
    }
    assert named == there


@pytest.mark.parametrize("page", ["README.md", "CHANGELOG.md", "vagrant/README.md"])
def test_links_of_pages_outside_of_docs_lead_somewhere(page):
    """Those inside are looked at when the site is built."""
    here = ROOT / page
    wrong = []
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)", here.read_text()):
        path = here.parent / target if target else here
        headings = (
            re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE) if anchor and path.is_file() else []
        )
        if not path.exists() or (anchor and anchor not in {slugify(it, "-") for it in headings}):
            wrong.append(f"{target}#{anchor}")
    assert wrong == []


def test_the_inventory_reference_is_made_of_the_example():
    command = (sys.executable, "scripts/inventory_reference.py")
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert (ROOT / "docs/reference/inventory.md").read_text() == made, (
        f"{' '.join(command[1:])} makes it anew"
    )


def test_the_page_of_playbooks_is_made_of_their_docstrings():
    command = (sys.executable, "scripts/playbooks_page.py")
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert (ROOT / "docs/playbooks.md").read_text() == made, f"{' '.join(command[1:])} makes it anew"


def keys_of(schema, part, above):
    """Every key that an inventory may have, as the reference names it."""
    for choice in (part, *part.get("anyOf", ())):
        if "items" in choice:
            yield from keys_of(schema, choice["items"], above)
        its = schema["$defs"][choice["$ref"].rpartition("/")[2]] if "$ref" in choice else choice
        for name, below in its.get("properties", {}).items():
            yield (path := f"{above}{name}")
            yield from keys_of(schema, below, f"{path}.")
        for below in its.get("patternProperties", {}).values():
            yield from keys_of(schema, below, f"{above}{'IMAGE' if 'archives' in above else 'NAME'}.")


def test_the_inventory_reference_has_every_key_that_is_taken():
    schema = inventory_sections.GivenInventory.model_json_schema()
    told = set(re.findall(r"^\| `([\w.]+)` \|", (ROOT / "docs/reference/inventory.md").read_text(), re.M))
    # What all hosts have in common is told once.
    common = {f"hosts.NAME.{name}" for name in ("key", "known_hosts")}
    taken = set(keys_of(schema, schema, ""))
    groups = {name for name in taken if any(key.startswith(f"{name}.") for key in taken)}
    assert taken - groups - common == told & taken - groups
    assert told - taken == {"store.options.log_level", "images.archives.IMAGE"}


def test_the_page_of_all_tasks_is_what_they_tell_of_themselves():
    """`python -m overweave.cli.reference > docs/reference/tasks.md` makes it."""
    assert (ROOT / "docs/reference/tasks.md").read_text() == reference.page(collect(ROOT))


def test_every_task_has_an_example_that_begins_with_its_own_name():
    tasks = collect(ROOT)
    for name in tasks.task_names:
        text = tasks[name].__doc__ or ""
        examples = re.findall(r"Example: (fab \S+)", text)
        assert examples == [f"fab {name}"], name


def test_what_is_written_of_exit_codes_is_what_the_errors_have():
    text = (ROOT / "README.md").read_text()
    told = set(re.findall(r"\b(\d+) (?=the command|a host|what was|a step|a condition|interrupted)", text))
    codes = {
        str(cls.exit_code)
        for cls in vars(errors).values()
        if isinstance(cls, type) and issubclass(cls, errors.OverweaveError)
    }
    assert told == codes
    table = (ROOT / "docs/reference/exit-codes.md").read_text()
    # 1 is no error: the work was done, and the answer is no.
    assert set(re.findall(r"^\| (\d+) \|", table, re.MULTILINE)) == codes | {"0", "1"}
