"""How the report does at scale: build time, memory, file size; with --browser also first view and search in Chromium.

    python benchmarks/report_scale.py --items 20000 --browser

Targets: 5 models × 20,000 samples in under 20 s, 1.5 GB and 30 MB; first view under 2 s, search under 300 ms.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

SEARCH = """
const done = arguments[arguments.length - 1];
const field = document.getElementById('samples-search');
const before = document.documentElement.dataset.samples;
const start = performance.now();
field.value = arguments[0];
field.dispatchEvent(new Event('input'));
const timer = setInterval(() => {
  if (document.documentElement.dataset.samples !== before) { clearInterval(timer); done(performance.now() - start); }
}, 4);
"""


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=20_000, help="samples per model")
    parser.add_argument("--candidates", type=int, default=4, help="models beside the baseline")
    parser.add_argument("--words", type=int, default=110, help="words per answer")
    parser.add_argument("--browser", action="store_true", help="open the page in Chromium")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run, out = Path(folder) / "run", Path(folder) / "report.html"
        make(run, options)
        found = build(run, out)
        if options.browser:
            found |= look(out)
    print(json.dumps(found, indent=1))


def make(run: Path, options: argparse.Namespace) -> None:
    """A judged run of the wanted size; in another process, so that its memory does not count."""
    import multiprocessing

    from synthetic_run import make_run

    names = tuple(f"candidate-{number}" for number in range(options.candidates))
    shape = {"items": options.items, "candidates": names, "words": options.words, "rewards": False, "probe": False}
    process = multiprocessing.get_context("spawn").Process(target=make_run, args=(run,), kwargs=shape)
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit("the run could not be made")


def build(run: Path, out: Path) -> dict[str, Any]:
    """Build the report and say what it cost."""
    from evalsuite.reports.html import write_report

    start, cpu = time.perf_counter(), time.process_time()
    write_report([run], out)
    return {
        "build_seconds": round(time.perf_counter() - start, 2),
        "build_cpu_seconds": round(time.process_time() - cpu, 2),
        "peak_gigabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 3),
        "file_megabytes": round(out.stat().st_size / 1e6, 2),
    }


def look(page: Path) -> dict[str, Any]:
    """Open the page and search it: at the first moment there is something to see, and when all texts are unpacked."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking"):
        options.add_argument(flag)
    options.binary_location = shutil.which("chromium") or ""
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        driver.set_script_timeout(120)
        views, cold = [], []
        for word in ("no such word", "kensun", "the"):
            views.append(_open(driver, page))
            cold.append(driver.execute_async_script(SEARCH, word))
        first_view = _open(driver, page)
        ready = _until(driver, "document.documentElement.dataset.searchable")
        warm = [
            driver.execute_async_script(SEARCH, word) for word in ("no such word", "kensun", "case 77", "the", "lo")
        ]
        return {
            "first_view_seconds": [round(value, 2) for value in (*views, first_view)],
            "search_at_first_view_milliseconds": [round(value) for value in cold],
            "search_ready_seconds_after_first_view": round(ready, 2),
            "search_milliseconds": [round(value) for value in warm],
        }
    finally:
        driver.quit()


def _open(driver: Any, page: Path) -> float:
    """Seconds until the first sample is shown."""
    driver.get("about:blank")
    start = time.perf_counter()
    driver.get(page.as_uri())
    _until(driver, "document.documentElement.dataset.shown")
    return time.perf_counter() - start


def _until(driver: Any, condition: str) -> float:
    from selenium.webdriver.support.ui import WebDriverWait

    start = time.perf_counter()
    WebDriverWait(driver, 60, 0.02).until(lambda d: d.execute_script(f"return {condition}"))
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
