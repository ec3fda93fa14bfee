"""How long a scorecard of many runs takes, how large its page is, and how it scrolls.

    python benchmarks/scorecard_speed.py reports/spot/latest
    python benchmarks/scorecard_speed.py reports/spot/latest --rows 200 --browser /usr/bin/chromium

A real run is laid out as 200 runs: the same evidence under other names and times, with its
histories. Limits: 3 s, 1.5 MB.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

FRAME_MS = 1000 / 60
SCROLL = """async () => {
  const frames = []; let last = performance.now();
  for (let y = 0; y < document.documentElement.scrollHeight; y += 400) {
    window.scrollTo(0, y);
    await new Promise(requestAnimationFrame);
    const now = performance.now(); frames.push(now - last); last = now;
  }
  return frames;
}"""


def lay_out(run: pathlib.Path, reports: pathlib.Path, runs: int, rows: int) -> None:
    """Make `runs` runs of `rows` scenarios; what is not renamed is linked."""
    verdict = json.loads((run / "verdict.json").read_text(encoding="utf-8"))
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=runs)
    for number in range(runs):
        stamp = (start + datetime.timedelta(minutes=number)).strftime("%Y%m%dT%H%M%SZ")
        name = f"{verdict['scenario']}-{number % rows}"
        folder = reports / name / stamp
        for path in run.rglob("*"):
            if path.is_file() and path.name != "verdict.json":
                target = folder / path.relative_to(run)
                target.parent.mkdir(parents=True, exist_ok=True)
                os.link(path, target)
        document = verdict | {"scenario": name, "run": stamp}
        (folder / "verdict.json").write_text(json.dumps(document), encoding="utf-8")


def timed(reports: pathlib.Path, page: pathlib.Path) -> float:
    """Return the seconds of the whole command, with a page."""
    command = [sys.executable, "-m", "chaosml", "scorecard", str(reports), "--html", str(page)]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        sys.exit(done.stderr)
    return time.perf_counter() - start


def scrolled(page: pathlib.Path, browser: str) -> tuple[float, list[float]]:
    """Return the seconds until the page is there, and the times of the frames of a scroll."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        view = chromium.new_page(viewport={"width": 1440, "height": 900})
        start = time.perf_counter()
        view.goto(page.as_uri())
        opened_s = time.perf_counter() - start
        frames = view.evaluate(SCROLL)
        chromium.close()
    return opened_s, frames


def main() -> None:
    """Print the figures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("run", type=pathlib.Path)
    options.add_argument("--runs", type=int, default=200)
    options.add_argument("--rows", type=int, default=10, help="different scenarios among them")
    options.add_argument("--browser", help="a Chromium, to measure how the page scrolls")
    given = options.parse_args()
    with tempfile.TemporaryDirectory(dir=given.run.resolve().parent) as folder:
        reports, page = pathlib.Path(folder) / "reports", pathlib.Path(folder) / "page.html"
        lay_out(given.run.resolve(), reports, given.runs, given.rows)
        times = sorted(timed(reports, page) for _ in range(5))
        print(f"scorecard of {given.runs} runs, {given.rows} rows: {times[2]:.2f} s (limit 3 s)")
        print(f"page: {page.stat().st_size / 1e6:.2f} MB (limit 1.5 MB)")
        if given.browser:
            opened_s, frames = scrolled(page, given.browser)
            late = sum(frame > 2 * FRAME_MS for frame in frames)
            print(f"opened in {opened_s:.2f} s; {len(frames)} frames of a scroll, {late} late, ")
            print(f"the longest {max(frames):.0f} ms")


if __name__ == "__main__":
    main()
