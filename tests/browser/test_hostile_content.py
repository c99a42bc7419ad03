"""Model output, ids, labels and plugins that try to run something in the report: everything shows as text."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from synthetic_run import break_utf8, make_run

from evalsuite.reports.html import write_report

pytestmark = pytest.mark.browser

RUN = "window.pwned=(window.pwned||0)+1"
MEGABYTE = 1 << 20
CORPUS = (
    f"<script>{RUN}</script>",
    f"</script><script>{RUN}</script>",
    f'<img src=x onerror="{RUN}">',
    f'"><svg onload={RUN}><animate onbegin={RUN} attributeName=x dur=1s></svg>',
    "<style>@import 'http://127.0.0.1:9/x.css'; body{display:none}</style><link rel=stylesheet href=http://127.0.0.1:9/y.css>",
    f'<a href="javascript:{RUN}">click</a><iframe srcdoc="<script>parent.{RUN}</script>"></iframe>',
    "{{ 7*7 }} {% for x in range(9) %}x{% endfor %} ${7*7} #{7*7} <%= 7*7 %>",
    "start \u202eexe.txt\u202c \u2066isolated\u2069 \u200bend \u2028 line \x00 \x1b[31m red",
    "</textarea></title></template></noscript><!-- <base href=http://127.0.0.1:9/> --> ]]> &lt;script&gt; &amp;",
    "A" * MEGABYTE,
    "'; DROP TABLE samples; -- \" ' ` \\ \\u003cscript\\u003e",
    "Z\u0351\u0352" * 3000,
)
LABEL = f'"><img src=x onerror="{RUN}">'


@pytest.fixture(scope="module")
def hostile_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    sections = (
        {
            "task": LABEL,
            "title": LABEL,
            "text": CORPUS[1],
            "rows": [{LABEL: CORPUS[0], "b": 1}],
            "alternative": CORPUS[2],
            "figure": {
                "mark": "bar",
                "encoding": {"y": {"field": LABEL, "type": "nominal"}, "x": {"field": "b", "type": "quantitative"}},
            },
        },
    )
    run = make_run(
        folder / "run",
        items=len(CORPUS),
        candidates=(LABEL, "plain"),
        hostile=CORPUS,
        sections=sections,
        audit=CORPUS[1],
    )
    return write_report([run], folder / "report.html", title=CORPUS[1])


def address(item: int) -> str:
    return f"hh_winrate/hh-{item:05d}/plain"


def open_item(page: Any, path: Path, item: int) -> None:
    page.open(path, f"#sample={address(item)}")
    page.wait(f"document.documentElement.dataset.shown === 'sample={address(item)}'")


@pytest.mark.parametrize("item", range(len(CORPUS)))
def test_it_runs_nothing_and_loads_nothing(page: Any, hostile_report: Path, item: int) -> None:
    open_item(page, hostile_report, item)
    page.js("document.querySelector('#samples-detail button[aria-pressed]')?.click()")
    time.sleep(0.1)  # a moment for whatever might have been started
    assert page.js("return window.pwned ?? 0") == 0
    assert page.requests() == []
    assert page.problems() == []
    assert (
        page.js(
            "return document.querySelectorAll('iframe, object, embed, base, link, main script, main style, main img').length"
        )
        == 0
    )
    assert page.js("return document.styleSheets.length") == 1


@pytest.mark.parametrize("item", [0, 1, 2, 3, 4, 5, 6, 8, 10])
def test_it_shows_as_it_was_written(page: Any, hostile_report: Path, item: int) -> None:
    open_item(page, hostile_report, item)
    assert page.texts("#samples-detail .side.candidate .said")[0] == CORPUS[item].strip()


def test_bytes_that_are_not_utf8_show_as_replacement_characters(page: Any, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", items=3, hostile=("BROKEN",), rewards=False, probe=False)
    break_utf8(run, "BROKEN", b"fine \xc3\x28 \xff\xfe<b>bold</b> \xed\xa0\x80 end")
    page.open(write_report([run], tmp_path / "report.html"), "#sample=hh_winrate/hh-00000/dpo-v2")
    said = page.texts("#samples-detail .side.candidate .said")[0]
    assert said.startswith("fine \ufffd( \ufffd\ufffd<b>bold</b> ")
    assert said.endswith(" end")
    page.choose("#samples-search", "<b>bold</b>")
    assert page.texts("#samples-list .entry")
    assert page.problems() == []


def test_labels_titles_and_sections_are_text_everywhere(page: Any, hostile_report: Path) -> None:
    page.open(hostile_report)
    assert page.texts("h1") == [CORPUS[1]]
    assert LABEL in page.texts("#table-estimates bdi")
    assert any(LABEL in text for text in page.texts("#tasks h3"))
    assert page.js("return document.title").startswith(CORPUS[1])


def test_characters_that_reorder_text_are_shown_by_name_and_isolated(page: Any, hostile_report: Path) -> None:
    open_item(page, hostile_report, 7)
    names = page.texts("#samples-detail .side.candidate .control")
    assert {"RLO", "PDF", "LRI", "PDI", "ZWSP", "LSEP", "U+0000", "U+001B"} <= set(names)
    said = page.texts("#samples-detail .side.candidate .said")[0]
    assert "\u202e" not in said
    assert (
        page.js("return getComputedStyle(document.querySelector('#samples-detail .said')).unicodeBidi") == "plaintext"
    )


def test_a_line_of_a_megabyte_opens_step_by_step_and_stays_in_its_column(page: Any, hostile_report: Path) -> None:
    open_item(page, hostile_report, 9)
    said = "document.querySelector('#samples-detail .side.candidate .said')"
    assert page.js(f"return {said}.textContent.length") < 10_000
    assert "1\u202f048\u202f576" in " ".join(page.texts("#samples-detail .side.candidate button.plain"))
    page.click("#samples-detail .side.candidate button.plain")
    assert page.js(f"return {said}.textContent.length") > 50_000
    assert page.js("return document.documentElement.scrollWidth") <= 1280
    assert page.js(
        "const box = document.getElementById('samples-detail'); return box.scrollWidth <= box.clientWidth + 1"
    )


def test_a_whole_megabyte_can_be_opened_without_stopping_the_browser(page: Any, hostile_report: Path) -> None:
    open_item(page, hostile_report, 9)
    button = "#samples-detail .side.candidate button.plain"
    while page.js("return document.querySelector(arguments[0]) !== null", button):
        page.click(button)
    assert page.texts("#samples-detail .side.candidate .said")[0] == CORPUS[9]
    page.wait("document.getElementById('samples-detail').scrollHeight > 10000", seconds=10)


def test_search_takes_markup_and_patterns_as_plain_words(page: Any, hostile_report: Path) -> None:
    page.open(hostile_report)
    for query in ("<script>", ".*", "\\", "(", "onerror="):
        page.choose("#samples-search", query)
        assert page.problems() == []
    page.choose("#samples-search", "{{")
    assert page.js("return Number(document.documentElement.dataset.samples.split(':')[1])") == 2
    assert page.js("return window.pwned ?? 0") == 0


@pytest.mark.parametrize(
    "fragment", ["#sample=%E0%A4%A", "#sample=<img src=x onerror=alert(1)>", "#sample=a/b", "#sample=////"]
)
def test_links_that_lead_nowhere_do_no_harm(page: Any, hostile_report: Path, fragment: str) -> None:
    page.open(hostile_report, fragment)
    assert "not in this report" in page.texts("#samples-status-line")[0] or page.js(
        "return document.documentElement.dataset.shown"
    )
    assert page.problems() == []
