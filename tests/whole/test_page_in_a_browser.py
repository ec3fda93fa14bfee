"""The page of a scorecard in headless Chromium: what a person would trip over, at two widths.

`.ci/run` installs the browser; where none can be had, these tests are skipped.
"""

import datetime
import gzip
import os
import pathlib
import shutil
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "unit" / "reports"))

import judgements

from chaosml.reports import verdict_json
from chaosml.scorecard import page
from chaosml.scorecard.assembly import assemble
from chaosml.scorecard.reading import read_runs

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "reports" / "example"
RECORDED = ROOT / "tests" / "quality" / "recorded"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
NOW = datetime.datetime(2026, 11, 25, 12, tzinfo=datetime.UTC)
CONTRAST_MIN = 4.5

CONTRAST = """() => {
  const part = (v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
  const light = ([r, g, b]) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const color = rgb(getComputedStyle(node).backgroundColor);
      if (color.length === 3 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const node of document.querySelectorAll('main *, header *')) {
    const own = [...node.childNodes].some((one) => one.nodeType === 3 && one.data.trim());
    if (!own || node.closest('svg')) continue;
    const a = light(rgb(getComputedStyle(node).color)), b = light(behind(node));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < LIMIT) poor.push(`${node.tagName}.${node.className} ${ratio.toFixed(2)}`);
  }
  return [...new Set(poor)];
}""".replace("LIMIT", str(CONTRAST_MIN))

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="no playwright can be had")
    found = os.environ.get("CHAOSML_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("no Chromium can be had here")
    with sync_api.sync_playwright() as started:
        # Inside of containers there is no sandbox to be had, and the page is our own.
        launched = started.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def scorecard(tmp_path_factory):
    """Recorded runs with their histories, committed ones without, a hostile one."""
    folder = tmp_path_factory.mktemp("page")
    for name in ("spot", "spot-adhoc"):
        run = folder / "reports" / name / "20261124T221500Z"
        shutil.copytree(RECORDED / name, run)
        for packed in run.rglob("history.jsonl.gz"):
            packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
    hostile = folder / "reports" / "hostile"
    hostile.mkdir()
    (hostile / "verdict.json").write_bytes(verdict_json.render(judgements.hostile()))
    long = judgements.failed(scenario="x" * 300, pipeline="y" * 300, replay="z" * 900)
    (folder / "reports" / "long").mkdir()
    (folder / "reports" / "long" / "verdict.json").write_bytes(verdict_json.render(long))
    harvest = read_runs([folder / "reports", EXAMPLE])
    path = folder / "page.html"
    path.write_bytes(page.render(assemble(harvest, now=NOW), harvest))
    return path


class Visit:
    """A page that is open, with everything that it said and asked for."""

    def __init__(self, browser, path, width=1440, scheme="light"):
        self.context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme
        )
        self.view = self.context.new_page()
        self.said, self.requests = [], []
        self.view.on("console", lambda message: self.said.append(message.text))
        self.view.on("pageerror", lambda error: self.said.append(str(error)))
        self.view.on("dialog", self._dismiss)
        self.view.on("request", lambda request: self.requests.append(request.url))
        self.address = path.as_uri()
        self.view.goto(self.address)

    def _dismiss(self, dialog):
        self.said.append(dialog.message)
        dialog.dismiss()

    def open_everything(self):
        self.view.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")

    def complaints(self):
        """Return what is wrong: messages, requests, content beyond the right edge."""
        found = list(self.said)
        found += [url for url in self.requests if url not in (self.address, "data:,")]
        wide = self.view.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        return [*found, *([f"{wide} px too wide"] if wide > 0 else [])]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1440])
def test_nothing_is_asked_for_said_or_cut_off_at_any_width_and_scheme(
    browser, scorecard, width, scheme
):
    with Visit(browser, scorecard, width, scheme) as visit:
        assert visit.complaints() == []
        visit.open_everything()
        assert visit.complaints() == []
        assert visit.view.evaluate(CONTRAST) == []
        assert visit.view.locator("figure svg rect.b-running").count() > 20


@pytest.mark.parametrize(
    "planted",
    [
        "<div style='width:2000px'>wide</div>",
        "<script>console.error('oh')</script>",
        "<script>alert(1)</script>",
        "<img src='picture-of-elsewhere.png'>",
        "<p style='color:#aaa'>pale</p>",
    ],
)
def test_a_page_with_a_defect_is_found_out(browser, tmp_path, planted):
    path = tmp_path / "planted.html"
    path.write_text(f"<!doctype html><body><main>{planted}</main></body>")
    with Visit(browser, path) as visit:
        assert visit.complaints() + visit.view.evaluate(CONTRAST) != []


def test_a_keyboard_alone_opens_a_timeline(browser, scorecard):
    with Visit(browser, scorecard) as visit:
        keyboard = visit.view.keyboard
        keyboard.press("Tab")
        assert visit.view.evaluate("document.activeElement.textContent").startswith("Skip to")
        for _ in range(200):
            keyboard.press("Tab")
            if visit.view.evaluate("document.activeElement.matches('details.x > summary')"):
                break
        keyboard.press("Enter")
        assert visit.view.evaluate("document.activeElement.parentElement.open")
        outline = visit.view.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"


@pytest.mark.parametrize("width", [360, 1440])
def test_a_screen_reader_finds_tables_headings_and_every_timeline_in_words(
    browser, scorecard, width
):
    with Visit(browser, scorecard, width) as visit:
        view = visit.view
        assert view.get_by_role("heading", level=1).count() == 1
        assert view.get_by_role("table", name="Overview").count() == 1
        assert view.get_by_role("main").count() == 1
        rows = view.get_by_role("table", name="Overview").get_by_role("rowheader")
        assert rows.count() == 4 + len(list(EXAMPLE.glob("*/verdict.json")))
        visit.open_everything()
        figures = view.locator("figure.tl")
        assert figures.count() > 5
        for number in range(figures.count()):
            assert figures.nth(number).locator("details li").count() > 5


def test_on_paper_closed_timelines_are_printed_too(browser, scorecard):
    with Visit(browser, scorecard) as visit:
        visit.view.emulate_media(media="screen")
        shown = "[...document.querySelectorAll('figure.tl')].filter(one => one.checkVisibility(%s))"
        option = "{contentVisibilityAuto: false}"
        closed = visit.view.evaluate(f"{shown % option}.length")
        visit.view.emulate_media(media="print")
        printed = visit.view.evaluate(f"{shown % option}.length")
        assert closed == 0
        assert printed == visit.view.locator("figure.tl").count() > 5
