"""Makes docs/proof.png: `python -m tests.browser.picture FILE [PAGE]`; without a page, of an example."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from selenium.webdriver.common.by import By
from tests.browser.chromium import chromium
from tests.unit.report.fleets import AT, two_faults

from overweave.report.html import html

if __name__ == "__main__":
    with (
        tempfile.TemporaryDirectory() as folder,
        chromium(Path(folder), "1240,1400", "--hide-scrollbars") as browser,
    ):
        page = Path(folder) / "page.html"
        page.write_text(html(two_faults(), AT), encoding="utf-8")
        browser.get((Path(sys.argv[2]).resolve() if len(sys.argv) > 2 else page).as_uri())
        browser.find_element(By.CSS_SELECTOR, "[data-from='13'][data-to='18']").click()
        browser.save_screenshot(sys.argv[1])
