"""The page of a proof in a real browser: what it shows, how it is worked, and that it talks to nobody."""

from __future__ import annotations

import re
from collections import Counter
from itertools import count

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait
from tests.browser.chromium import chromium, console, requests
from tests.unit.report.fleets import AT, HOSTILE, fleet, hostile, two_faults, without_perl

from overweave.report.html import html

NUMBERS = count()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("chromium")) as started:
        started.get("about:blank")
        yield started


@pytest.fixture
def page(browser, tmp_path):
    """Opens a proof's page. Whatever a test does with it: no error, no warning, and no request."""
    opened = []

    def settle():
        assert console(browser) == []
        assert requests(browser) == opened
        opened.clear()

    def show(result):
        settle()
        path = written(result, tmp_path)
        opened.append(path)
        browser.get(path)
        return Page(browser)

    console(browser), requests(browser)
    browser.set_window_size(1440, 1000)
    yield show
    settle()


def written(result, folder):
    """Address of a new file with the page."""
    path = folder / f"{next(NUMBERS)}.html"
    path.write_text(html(result, AT), encoding="utf-8")
    return path.as_uri()


class Page:
    def __init__(self, browser):
        self.browser = browser

    def one(self, selector):
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector):
        return self.one(selector).text

    def script(self, code, *given):
        return self.browser.execute_script(f"return {code}", *given)

    def cells(self):
        """What the cells say of themselves that can be seen."""
        labels = self.script(
            "[...document.querySelectorAll('#grid td.cell')].filter((cell) => cell.offsetParent)"
            ".map((cell) => cell.getAttribute('aria-label'))"
        )
        return dict(label.split(": ", 1) for label in labels)

    def kinds(self):
        return Counter(self.cells().values())

    def cell(self, source, target):
        return self.one(f"[data-from='{int(source[4:]) - 1}'][data-to='{int(target[4:]) - 1}']")

    def legend(self):
        """Counts by word."""
        words = [
            one.text.split("\n") for one in self.browser.find_elements(By.CSS_SELECTOR, ".legend > span")
        ]
        told = [" ".join(one).split() for one in words]
        return {
            " ".join(w for w in one[:-1] if len(w) > 1): int(one[-1]) for one in told if one[-1].isdigit()
        }

    def choose(self, plane):
        self.one(f"input[value={plane}] + span").click()

    def headings(self):
        return [h.text for h in self.browser.find_elements(By.CSS_SELECTOR, "#grid tbody th") if h.text]


TWO_FAULTS = {"ok": 549, "slow": 1, "underlay fails": 48, "overlay alone fails": 2}


def test_every_directed_pair_has_a_cell_with_its_kind(page):
    shown = page(two_faults())
    assert shown.browser.title == "NOT proven: overweave"
    assert shown.text("#headline") == "550 of 600 directed pairs green on overweave"
    assert shown.kinds() == TWO_FAULTS
    assert shown.legend() == TWO_FAULTS
    assert shown.cells()["host14 to host19"] == "overlay alone fails"
    assert shown.cell("host3", "host22").text == "~"
    assert shown.cell("host1", "host7").text == "U"
    assert len(shown.browser.find_elements(By.CSS_SELECTOR, "#grid td.self")) == 25
    assert shown.text("#shown") == ""


def test_three_green_hosts_have_their_round_trips_written_out(page):
    shown = page(fleet(3))
    assert shown.text("#verdict") == "PROVEN"
    assert shown.kinds() == {"ok": 6}
    assert shown.cell("host1", "host2").text.split("\n") == ["0.21 ms", "0.11 ms"]
    assert shown.browser.find_elements(By.CSS_SELECTOR, ".cause") == []


def test_the_planes_are_looked_at_one_by_one(page):
    shown = page(two_faults())
    shown.choose("overlay")
    assert shown.kinds() == {"ok": 549, "slow": 1, "fails": 50}
    shown.choose("underlay")
    assert shown.kinds() == {"ok": 552, "fails": 48}
    shown.choose("both")
    assert shown.kinds() == TWO_FAULTS


def test_checks_are_looked_at_one_by_one(page):
    shown = page(two_faults())
    check = Select(shown.one("#check"))
    assert [option.text for option in check.options] == [
        *("all", "dns", "icmp", "udp", "connect", "tcp", "mtu", "vxlan", "udp-4789", "tcp-7946", "udp-7946")
    ]
    check.select_by_visible_text("mtu")
    assert shown.kinds() == {"ok": 550, "overlay alone fails": 50}
    check.select_by_visible_text("tcp")
    assert shown.kinds() == {"ok": 550, "fails": 50}
    check.select_by_visible_text("udp-4789")
    assert shown.kinds() == {"ok": 552, "underlay fails, overlay passes": 48}
    check.select_by_visible_text("dns")
    assert shown.kinds() == {"ok": 600}


def test_hosts_are_found_by_a_part_of_their_name_and_failing_pairs_by_a_tick(page):
    shown = page(two_faults())
    shown.one("#host").send_keys("OST7")
    assert shown.kinds() == {"underlay fails": 48}
    assert shown.text("#shown") == "48 of 600 pairs"
    shown.one("#host").clear()
    shown.one("#host").send_keys("host19")
    assert shown.kinds() == {"ok": 44, "underlay fails": 2, "overlay alone fails": 2}
    shown.one("#failing").click()
    assert shown.kinds() == {"underlay fails": 2, "overlay alone fails": 2}
    assert shown.headings() == ["host7", "host14", "host19"]
    shown.one("#host").clear()
    shown.one("#host").send_keys("nobody")
    assert shown.kinds() == {}
    shown.one("#everything").click()
    assert shown.kinds() == TWO_FAULTS


def test_a_diagnosis_shows_its_pairs_and_its_issues(page):
    shown = page(two_faults())
    first, second = shown.browser.find_elements(By.CSS_SELECTOR, ".cause")
    assert "no VXLAN frame gets in or out" in first.text
    assert [a.get_attribute("href") for a in first.find_elements(By.TAG_NAME, "a")] == [
        "https://github.com/moby/moby/issues/29979",
        "https://github.com/moby/moby/issues/33416",
    ]
    button = second.find_element(By.TAG_NAME, "button")
    button.click()
    assert shown.cells() == dict.fromkeys(("host14 to host19", "host19 to host14"), "overlay alone fails")
    assert button.get_attribute("aria-pressed") == "true"
    button.click()
    assert shown.kinds() == TWO_FAULTS


def test_details_follow_the_mouse_until_one_is_kept(page):
    shown = page(two_faults())
    hover = "arguments[0].dispatchEvent(new MouseEvent('mouseover', {bubbles: true}))"
    shown.script(hover, shown.cell("host1", "host2"))
    assert shown.text("#details h2") == "host1 → host2"
    shown.cell("host14", "host19").click()
    told = shown.text("#details")
    assert told.startswith("host14 → host19\noverlay alone fails: tcp, mtu\n")
    assert "tcp RED 1048576 bytes did not come back" in told
    assert "udp-4789 ok arrived" in told
    assert "small packets pass, full-size ones don't" in told
    shown.script(hover, shown.cell("host1", "host2"))
    assert shown.text("#details h2") == "host14 → host19"
    assert [h.text for h in shown.browser.find_elements(By.CSS_SELECTOR, "th.lit")] == ["host2", "host1"]
    shown.one("#details button").click()
    assert shown.text("#details h2") == "host19 → host14"
    shown.one("body").send_keys(Keys.ESCAPE)
    assert shown.text("#details h2") == "No pair chosen"


def test_the_grid_is_worked_by_keys_alone(page):
    shown = page(two_faults())
    focus = "document.activeElement.getAttribute('aria-label')"
    assert shown.script("document.querySelectorAll('#grid [tabindex=\"0\"]').length") == 1
    shown.one("#grid [tabindex='0']").send_keys(Keys.ARROW_RIGHT)
    assert shown.script(focus) == "host1 to host3: ok"
    assert shown.text("#details h2") == "host1 → host3"
    shown.browser.switch_to.active_element.send_keys(Keys.ARROW_DOWN, Keys.ARROW_DOWN)
    assert shown.script(focus) == "host4 to host3: ok", "past the diagonal"
    shown.browser.switch_to.active_element.send_keys(Keys.END)
    assert shown.script(focus) == "host4 to host25: ok"
    shown.browser.switch_to.active_element.send_keys(Keys.ARROW_RIGHT, Keys.ENTER, Keys.HOME)
    assert shown.script(focus) == "host4 to host1: ok"
    assert shown.text("#details h2") == "host4 → host25", "it is kept"
    assert shown.script("document.querySelectorAll('#grid [tabindex=\"0\"]').length") == 1


def luminance(shown, selector="body"):
    colour = shown.script("getComputedStyle(document.querySelector(arguments[0])).backgroundColor", selector)
    return sum(int(part) for part in colour.strip("rgb()").split(",")[:3])


def test_dark_and_light_as_the_system_has_it_or_as_it_is_asked_for(page):
    shown = page(fleet(3))
    button = shown.one("#theme")

    def system(scheme):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        shown.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    system("dark")
    assert luminance(shown) < 100
    system("light")
    assert luminance(shown) > 650
    button.click()
    assert button.text == "colours: light"
    button.click()
    assert (button.text, luminance(shown) < 100) == ("colours: dark", True)
    button.click()
    assert (button.text, luminance(shown) > 650) == ("colours: system", True)
    system("")


def test_what_fails_is_told_without_colours_too(page):
    shown = page(two_faults())
    for cell in (shown.cell("host1", "host7"), shown.cell("host14", "host19")):
        assert "repeating-linear-gradient" in cell.value_of_css_property("background-image")
    assert "repeating" not in shown.cell("host1", "host2").value_of_css_property("background-image")


@pytest.mark.parametrize("width", [420, 800, 1440])
def test_the_page_fits_its_window_and_the_grid_scrolls_by_itself(page, width):
    shown = page(two_faults())
    shown.browser.set_window_size(width, 900)
    assert shown.script("document.documentElement.scrollWidth <= window.innerWidth")
    assert shown.cell("host1", "host2").size["width"] >= 13


def test_fifty_hosts_are_drawn_at_once(page):
    shown = page(fleet(50))
    assert shown.kinds() == {"ok": 2450}
    assert (
        shown.script(
            "(() => { const began = performance.now(); paint(); return performance.now() - began; })()"
        )
        < 1000
    )
    assert "tcp on 1950 pairs, mtu on 1950 pairs" in shown.text("#more")
    shown.cell("host1", "host30").click()
    assert shown.text("#details table").split().count("tcp") == 0


@pytest.mark.parametrize("word", HOSTILE)
def test_words_of_hosts_are_words(page, word):
    """They make no element of their own and run nothing: both pages are built alike."""

    def built(of):
        shown = page(hostile(of))
        shown.script("document.querySelector('#grid td.cell').click()")
        assert shown.browser.title != "broken"
        return shown.script("[...document.querySelectorAll('*')].map((element) => element.tagName)")

    drawn = built(word)
    assert not {"IMG", "SVG", "IFRAME"} & set(drawn)
    if word:
        assert drawn == built("tame")


def test_a_proof_without_an_underlay_has_one_plane(page):
    result = fleet(3)
    for pair in result.pairs:
        pair.underlay.clear()
    shown = page(result)
    assert not shown.one("#planes").is_displayed()
    assert shown.kinds() == {"ok": 6}
    assert shown.cell("host1", "host2").text == "0.21 ms"


def test_what_can_not_be_checked_without_perl_is_named(page):
    shown = page(without_perl())
    assert shown.text("#more").startswith(
        "Not checked\nudp, connect, isolation, and the underlay of these hosts: there is no perl on host2."
    )


@pytest.mark.parametrize("hosts", [0, 1, 2])
def test_hardly_any_hosts_make_a_page_too(page, hosts):
    shown = page(fleet(hosts))
    assert sum(shown.kinds().values()) == hosts * (hosts - 1)
    assert shown.text("#headline").endswith("green on overweave")


INTRUDER = """
fetch("https://example.com/").catch((error) => { document.title = error.name; });
document.body.append(Object.assign(new Image(), {src: "https://example.com/x.png"}));
document.body.insertAdjacentHTML("beforeend", "<p id=p onclick='document.title = 1'>p</p>");
document.getElementById("p").click();
"""


def test_the_policy_of_the_page_stops_what_got_in_all_the_same(browser, tmp_path):
    browser.get(written(fleet(3), tmp_path))
    console(browser)
    browser.execute_script(INTRUDER)
    said = []

    def all_refused(_):
        said.extend(line for line in console(browser) if "Content Security Policy" in line)
        return len(said) >= 3

    WebDriverWait(browser, 10).until(all_refused)
    assert browser.title == "TypeError"
    assert sorted(re.findall(r"directive:? \W*([a-z]+-src)", "".join(said))) == [
        *("default-src", "img-src", "script-src")
    ]
    requests(browser)
