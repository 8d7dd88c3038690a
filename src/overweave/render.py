"""The only place that fills templates."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import jinja2


def script(name: str) -> str:
    """A script or style sheet of ``src/overweave/templates``, as it is: it is not filled."""
    return (resources.files("overweave") / "templates" / name).read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    # Most commands fill no template, and this takes 20 ms to load.
    import jinja2

    # Unit files and JSON are no HTML: escaping would corrupt them.
    return jinja2.Environment(  # noqa: S701
        loader=jinja2.PackageLoader("overweave"),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(template: str, **values: object) -> str:
    """A template of ``src/overweave/templates``, filled. A missing value is a bug and raises."""
    return _environment().get_template(template).render(**values)
