"""How long a scorecard of many runs takes, how large its page is, and how it scrolls.

    python benchmarks/scorecard_speed.py reports/spot/latest
    python benchmarks/scorecard_speed.py reports/spot/latest --rows 200 --browser /usr/bin/chromium

A real run is laid out as 200 runs: the same evidence under other names and times, with its
histories. Limits: 3 s, 1.5 MB. Whether the page scrolls without jank shows beside a page of plain
text, scrolled on the same machine at the same time.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

FRAME_MS = 1000 / 60
SCROLL = """async () => {
  const frames = []; let last = performance.now();
  const end = Math.min(document.documentElement.scrollHeight, 72000);
  for (let y = 0; y < end; y += 120) {
    window.scrollTo(0, y);
    await new Promise(requestAnimationFrame);
    const now = performance.now(); frames.push(now - last); last = now;
  }
  return frames;
}"""
"""A wheel's notch in every frame: as fast as anybody turns it."""
PLAIN = "<!doctype html><body>" + "<p>a line</p>" * 2000


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


def timed(reports: pathlib.Path, page: pathlib.Path) -> tuple[float, float]:
    """Return the seconds of the whole command with a page, and its seconds of CPU."""
    command = [sys.executable, "-m", "chaosml", "scorecard", str(reports), "--html", str(page)]
    start, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        sys.exit(done.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
    return time.perf_counter() - start, cpu_s


def scrolled(pages: list[pathlib.Path], browser: str) -> list[tuple[float, list[float]]]:
    """Return, for each page, the seconds until it is there and the frames of a scroll in ms."""
    from playwright.sync_api import sync_playwright

    found = []
    with sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        for page in pages:
            view = chromium.new_page(viewport={"width": 1440, "height": 900})
            start = time.perf_counter()
            view.goto(page.as_uri())
            opened_s = time.perf_counter() - start
            found.append((opened_s, view.evaluate(SCROLL)))
            view.close()
        chromium.close()
    return found


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
        wall_s, cpu_s = times[len(times) // 2]
        print(f"scorecard of {given.runs} runs, {given.rows} rows: {wall_s:.2f} s (limit 3 s), ")
        print(f"of them {cpu_s:.2f} s of CPU; load of this machine {os.getloadavg()[0]:.1f}")
        print(f"page: {page.stat().st_size / 1e6:.2f} MB (limit 1.5 MB)")
        if given.browser:
            plain = pathlib.Path(folder) / "plain.html"
            plain.write_text(PLAIN, encoding="utf-8")
            found = scrolled([plain, page], given.browser)
            for name, (opened_s, frames) in zip(("plain text", "the page"), found, strict=True):
                late = sum(frame > 2 * FRAME_MS for frame in frames)
                print(
                    f"{name}: opened in {opened_s:.2f} s; {late} of {len(frames)} frames late, "
                    f"the longest {max(frames):.0f} ms"
                )


if __name__ == "__main__":
    main()
