"""The search over all texts: complete, whether asked at once or later, in one chunk or in many."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
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


@pytest.fixture(scope="module")
def chunked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report whose samples are in many chunks, so that all workers have some."""
    folder = tmp_path_factory.mktemp("chunked")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sample_pack, "CHUNK", 2_500)
        return write_report([make_run(folder / "run", items=60, hostile=SAID)], folder / "report.html")


@pytest.fixture
def without_workers(page: Any) -> Iterator[Any]:
    source = "window.Worker = class { constructor() { throw new Error('workers are off'); } };"
    added = page.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": source})
    yield page
    page.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)


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


def test_a_browser_without_workers_says_why_there_is_no_search(without_workers: Any, chunked: Path) -> None:
    page = without_workers.open(chunked)
    page.wait("document.getElementById('samples-preparing').textContent.includes('workers are off')")
    assert page.texts("#samples-list .entry")
