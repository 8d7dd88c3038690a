"""For mkdocs: a link that leaves docs/ becomes the path as words, since the site has docs/ alone."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from posixpath import normpath
from typing import Any

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"\[([^\]]+)\]\((\.\./[^)#\s]+)\)")
log = logging.getLogger("mkdocs.hooks.site_links")


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """The page with such links as words. A target that is not there is a warning, an error with --strict."""
    folder = Path("docs", page.file.src_uri).parent

    def told(link: re.Match[str]) -> str:
        text, target = link[1], normpath(folder / link[2])
        if target.startswith("docs/"):
            return link[0]
        if not (ROOT / target).exists():
            log.warning("%s: %s is not there", page.file.src_uri, target)
        return f"`{target}`" if text in target else f"{text} (`{target}`)"

    return LINK.sub(told, markdown)
