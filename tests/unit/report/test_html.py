"""The page as text: what is in it, and what can't get out of where it is. tests/browser looks at it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest
from tests.unit.report.fleets import AT, HOSTILE, fleet, hostile, two_faults

from overweave.report.html import html


class Page(HTMLParser):
    """Elements with their attributes, and the texts of scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.raw = [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag in ("script", "style"):
            self.raw.append("")

    def handle_endtag(self, tag):
        self.elements.append((f"/{tag}", {}))

    def handle_data(self, data):
        if self.elements and self.elements[-1][0] in ("script", "style"):
            self.raw[-1] += data


def test_the_data_of_two_faults():
    page = Page(html(two_faults(25), AT))
    told = json.loads(page.raw[1])
    assert told["at"] == "2026-03-14 09:26:53 UTC"
    assert (len(told["hosts"]), len(told["pairs"]), told["green"]) == (25, 600, False)
    assert told["causes"][1]["pairs"] == [[13, 18], [18, 13]]
    assert [pair[:4] for pair in told["pairs"] if pair[:2] == [13, 18]] == [
        [13, 18, "overlay alone fails", ["tcp", "mtu"]]
    ]


def test_nothing_is_fetched_and_nothing_else_may_run():
    page = Page(html(fleet(3), AT))
    policy = next(a["content"] for _, a in page.elements if "Content-Security-Policy" in a.values())
    style, _, code = page.raw
    assert policy.startswith("default-src 'none'; ")
    for text in (style, code):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert "unsafe" not in policy
    # What is fetched by itself: src, and href of a link; @import and url() in style.
    assert [a["href"] for tag, a in page.elements if tag == "link"] == ["data:,"]
    assert not any("src" in a for _, a in page.elements)
    assert not re.search(r"@import|url\(", style)
    assert not any(name.startswith("on") or name == "style" for _, a in page.elements for name in a)


@pytest.mark.parametrize("word", HOSTILE)
def test_words_of_hosts_stay_in_their_element(word):
    tame, page = Page(html(hostile("tame"), AT)), Page(html(hostile(word), AT))
    assert page.elements == tame.elements
    assert not re.search(r"[<>&]", page.raw[1])
    assert json.loads(page.raw[1])["hosts"][1] == "b"


def test_a_page_of_a_large_fleet_is_small_enough_to_send():
    assert len(html(fleet(50), AT)) < 1_200_000
