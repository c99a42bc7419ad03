"""How the report does at scale: build time, memory, file size; with --browser also first view and search in Chromium.

    python benchmarks/report_scale.py --items 20000 --browser [--busy 1]

Targets: 5 models × 20,000 samples in under 20 s, 1.5 GB and 30 MB; first view under 2 s, search under 300 ms.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

AT_FIRST_VIEW = """
const seen = window.seen = {};
new MutationObserver(() => {
  const { shown, samples, searchable } = document.documentElement.dataset;
  const now = performance.now();
  if (searchable) seen.ready ??= now;
  if (shown && seen.view === undefined) {
    Object.assign(seen, { view: now, before: samples });
    const field = document.getElementById('samples-search');
    field.value = WORDS;
    field.dispatchEvent(new Event('input'));
  } else if (shown && samples !== seen.before) seen.found ??= { after: now - seen.view, rows: Number(samples.split(':')[1]) };
}).observe(document, { attributes: true, subtree: true, attributeFilter: ['data-shown', 'data-samples', 'data-searchable'] });
"""
"""Types words at the very moment the first sample is shown, before it is even painted, and sees when all rows are found."""

SEARCH = """
const done = arguments[arguments.length - 1];
const field = document.getElementById('samples-search');
const start = performance.now();
const observer = new MutationObserver(() => { observer.disconnect(); done(performance.now() - start); });
observer.observe(document.documentElement, { attributeFilter: ['data-samples'] });
field.value = arguments[0];
field.dispatchEvent(new Event('input'));
"""

WORDS = ("no such word", "case 7777", "case 77", "the", "lo")


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=20_000, help="samples per model")
    parser.add_argument("--candidates", type=int, default=4, help="models beside the baseline")
    parser.add_argument("--words", type=int, default=110, help="words per answer")
    parser.add_argument("--browser", action="store_true", help="open the page in Chromium")
    parser.add_argument("--repeat", type=int, default=5, help="times the page is opened for each search")
    parser.add_argument("--busy", type=int, default=0, help="cores kept busy while the page is looked at")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run, out = Path(folder) / "run", Path(folder) / "report.html"
        make(run, options)
        found = build(run, out)
        if options.browser:
            with _busy(options.busy):
                found |= look(out, options.repeat)
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


@contextmanager
def _busy(cores: int) -> Iterator[None]:
    spinning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(cores)]
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
            process.wait()


def look(page: Path, repeat: int) -> dict[str, Any]:
    """Open the page and search it: at the first moment there is something to see, and when all texts are unpacked.

    Returns:
        Milliseconds; of repeated ones the smallest, the middle and the largest.
    """
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking"):
        options.add_argument(flag)
    options.binary_location = shutil.which("chromium") or ""
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        driver.set_script_timeout(120)
        seen = {words: [_open(driver, page, words) for _ in range(repeat)] for words in WORDS}
        warm = {words: [driver.execute_async_script(SEARCH, each) for each in (words, "")] for words in WORDS}
    finally:
        driver.quit()
    everything = [one for found in seen.values() for one in found]
    return {
        "first_view_milliseconds": _spread(one["view"] for one in everything),
        "search_ready_milliseconds_after_first_view": _spread(one["ready"] - one["view"] for one in everything),
        "rows_found": {words: found[0]["found"]["rows"] for words, found in seen.items()},
        "search_at_first_view_milliseconds": {
            words: _spread(one["found"]["after"] for one in found) for words, found in seen.items()
        },
        "search_milliseconds": {words: round(found) for words, (found, _) in warm.items()},
    }


def _open(driver: Any, page: Path, words: str) -> dict[str, Any]:
    """Times in milliseconds: of the first view, and of a search typed in that moment."""
    from selenium.webdriver.support.ui import WebDriverWait

    driver.get("about:blank")
    added = driver.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument", {"source": AT_FIRST_VIEW.replace("WORDS", json.dumps(words))}
    )
    driver.get(page.as_uri())
    WebDriverWait(driver, 60, 0.2).until(lambda d: d.execute_script("return window.seen.found && window.seen.ready"))
    driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)
    return dict(driver.execute_script("return window.seen"))


def _spread(values: Iterable[float]) -> list[int]:
    """Smallest, middle and largest."""
    found = sorted(values)
    return [round(value) for value in (found[0], statistics.median(found), found[-1])]


if __name__ == "__main__":
    main()
