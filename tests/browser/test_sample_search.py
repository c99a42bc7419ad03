"""The search over all texts: complete, whether asked at once or later, in one chunk or in many."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from report_chunks import chunks_of, rows_with
from synthetic_run import make_run

from evalsuite.reports import sample_pack
from evalsuite.reports.html import write_report

pytestmark = pytest.mark.browser

SAID = (
    "Ich war in \u0130stanbul, \U0001f600 und es regnete.",
    "STRASSE und Stra\u00dfe",
    "a\u2028b {{ 7*7 }} </script>",
)
SEARCHABLE = "document.documentElement.dataset.searchable"
STATUS = "document.getElementById('samples-status-line').textContent"


@pytest.fixture(scope="module")
def chunked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report whose samples are in many chunks, so that all workers have some."""
    folder = tmp_path_factory.mktemp("chunked")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sample_pack, "CHUNK", 2_500)
        return write_report([make_run(folder / "run", items=60, hostile=SAID)], folder / "report.html")


@pytest.fixture
def before_open(page: Any) -> Iterator[Callable[[str], None]]:
    """Runs a script in every page of the test before the page's own."""
    added = []

    def add(source: str) -> None:
        added.append(page.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": source}))

    yield add
    for script in added:
        page.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)


def typed_at_first_view(words: str) -> str:
    """Types words in the moment the first sample is shown; only four chunks reach the workers until `release()`."""
    return (
        "const post = Worker.prototype.postMessage, held = []; let passing = 4;"
        "window.release = () => { passing = Infinity; for (const [worker, message] of held) post.call(worker, message); };"
        "Worker.prototype.postMessage = function (message) {"
        "  if (message.content && (passing -= 1) < 0) held.push([this, message]); else post.call(this, message); };"
        "new MutationObserver((_, observer) => {"
        "  if (!document.documentElement.dataset.shown) return;"
        "  observer.disconnect();"
        "  const field = document.getElementById('samples-search');"
        f"  field.value = {json.dumps(words)};"
        "  field.dispatchEvent(new Event('input'));"
        "}).observe(document, { attributes: true, subtree: true, attributeFilter: ['data-shown'] });"
    )


def found(page: Any) -> int:
    return int(page.js("return document.documentElement.dataset.samples.split(':')[1]"))


@pytest.mark.parametrize(
    ("words", "terms"),
    [
        ("patience", ("patience",)),
        ("HH-0000", ("hh-0000",)),
        ('"one step" patience', ("one step", "patience")),
        ("stra\u00dfe strasse", ("stra\u00dfe", "strasse")),
        ("{{ 7*7 }}", ("{{", "7*7", "}}")),
        ("</SCRIPT>", ("</script>",)),
        ("\U0001f600", ("\U0001f600",)),
        ("zzzz", ("zzzz",)),
    ],
)
def test_a_search_at_first_view_and_one_when_all_is_unpacked_find_every_row(
    page: Any, chunked: Path, words: str, terms: tuple[str, ...]
) -> None:
    assert len(list(chunks_of(chunked))) > 8
    expected = rows_with(chunked, terms)
    assert (expected > 0) == (words != "zzzz")
    page.open(chunked)
    page.choose("#samples-search", words)
    assert found(page) == expected
    page.wait(SEARCHABLE)
    page.choose("#samples-search", "")
    page.choose("#samples-search", words)
    assert found(page) == expected
    assert page.problems() == []


@pytest.mark.parametrize("term", ["patience", "the", "hh-0004", "zzzz"])
def test_a_search_before_all_is_unpacked_shows_what_it_has_and_says_so_then_every_row(
    page: Any, before_open: Callable[[str], None], chunked: Path, term: str
) -> None:
    before_open(typed_at_first_view(term))
    page.open(chunked)
    page.wait(f"{STATUS}.includes('of the texts searched so far')")
    assert page.js(f"return {SEARCHABLE} === undefined && document.documentElement.dataset.samples.startsWith('1:')")
    assert page.js("return document.getElementById('samples-nothing').hidden")
    expected = rows_with(chunked, (term,))
    so_far = int(page.js(f"return {STATUS}").split(" ")[0])
    assert so_far < expected or so_far == expected == 0
    page.js("release()")
    page.wait("document.documentElement.dataset.samples.startsWith('2:')")
    assert found(page) == expected
    assert page.js(f"return {STATUS}").startswith(f"{expected} of ")
    order = page.texts("#samples-list .entry")
    page.choose("#samples-search", "")
    page.choose("#samples-search", term)
    assert page.texts("#samples-list .entry") == order


def test_a_damaged_chunk_is_told_and_no_count_is_called_complete(page: Any, chunked: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.html"
    damaged.write_text(re.sub(r'(data-chunk="5">)[^ <]{40}', r"\1" + 40 * "A", chunked.read_text("utf-8")), "utf-8")
    page.open(damaged)
    page.js("document.getElementById('samples-search').value = 'patience'")
    page.js("document.getElementById('samples-search').dispatchEvent(new Event('input'))")
    page.wait("document.getElementById('samples-preparing').textContent.includes('Search does not work here')")
    page.wait(f"{STATUS}.includes('of the texts searched so far')")
    assert page.js("return document.documentElement.dataset.samples").startswith("1:")


def test_a_browser_that_cannot_decode_base64_into_bytes_opens_the_page(
    page: Any, before_open: Callable[[str], None], chunked: Path
) -> None:
    before_open("delete Uint8Array.fromBase64;")
    page.open(chunked)
    assert page.texts("#samples-detail .said")


def test_a_dotted_capital_i_is_found_in_any_spelling(page: Any, chunked: Path) -> None:
    page.open(chunked)
    for words in ("\u0130STANBUL", "istanbul"):
        page.choose("#samples-search", words)
        assert found(page) == 2
        page.choose("#samples-search", "")


def test_words_are_not_found_across_the_end_of_a_text(page: Any, chunked: Path) -> None:
    texts = next(chunks_of(chunked))["s"]
    across = next(one[-4:] + other[:4] for one, other in itertools.pairwise(texts) if len(one + other) > 60)
    assert rows_with(chunked, (across,)) == 0
    page.open(chunked)
    page.choose("#samples-search", f'"{across}"')
    assert found(page) == 0


def test_filters_narrow_what_was_found(page: Any, chunked: Path) -> None:
    page.open(chunked)
    page.choose("#samples-search", "patience")
    everything = found(page)
    page.choose("#samples-outcome", "better")
    better = found(page)
    page.choose("#samples-outcome", "")
    assert 0 < better < everything == found(page)


def test_the_reader_is_told_until_all_texts_are_unpacked(page: Any, chunked: Path) -> None:
    page.open(chunked)
    page.wait(SEARCHABLE)
    assert page.js("return document.getElementById('samples-preparing').textContent") == ""


def test_a_browser_without_workers_says_why_there_is_no_search(
    page: Any, before_open: Callable[[str], None], chunked: Path
) -> None:
    before_open("window.Worker = class { constructor() { throw new Error('workers are off'); } };")
    page.open(chunked)
    page.wait("document.getElementById('samples-preparing').textContent.includes('workers are off')")
    assert page.texts("#samples-list .entry")
