"""The report as a reader uses it: reading, sorting, searching, linking, printing, with eyes, keyboard or screen reader."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser

PHONE = (390, 844)


def test_it_opens_without_complaints_and_asks_the_network_for_nothing(page: Any, report: Path) -> None:
    page.open(report)
    assert page.problems() == []
    assert page.requests() == []


def test_the_policy_stops_what_a_hostile_page_would_try(page: Any, report: Path) -> None:
    page.open(report)
    page.js(
        "const image = new Image(); image.src = 'http://127.0.0.1:9/x.png';"
        "const script = document.createElement('script'); script.textContent = 'window.ran = true'; document.body.append(script);"
        "document.body.insertAdjacentHTML('beforeend', '<b onclick=\"window.ran = true\" id=trap>x</b>');"
        "document.getElementById('trap').click(); fetch('http://127.0.0.1:9/').catch(() => {});"
    )
    assert page.js("return window.ran === undefined")
    assert any("Content Security Policy" in problem for problem in page.problems())


def test_tables_sort_by_value_in_both_directions(page: Any, report: Path) -> None:
    page.open(report)

    def values() -> list[str]:
        return list(
            page.js(
                "return [...document.querySelectorAll('#table-estimates tbody tr')].map((row) => row.cells[4].dataset.value)"
            )
        )

    heading = "#table-estimates th:nth-child(5)"
    page.click(f"{heading} button")
    falling = [float(value) for value in values()]
    assert falling == sorted(falling, reverse=True)
    assert page.js("return document.querySelector(arguments[0]).getAttribute('aria-sort')", heading) == "descending"
    page.click(f"{heading} button")
    assert [float(value) for value in values()] == sorted(falling)


def test_unknown_values_stay_last_whichever_way_a_table_is_sorted(page: Any, report: Path) -> None:
    page.open(report)
    for _ in range(2):
        page.click("#table-estimates th:nth-child(6) button")
        shown = page.texts("#table-estimates tbody td:nth-child(6)")
        assert "n/a" in shown
        assert shown[-1] == "n/a"
        assert shown[0] != "n/a"


def test_search_finds_words_in_answers_reasons_and_ids_quickly(page: Any, report: Path) -> None:
    page.open(report)
    everything = page.js("return Number(document.documentElement.dataset.samples.split(':')[1])")
    page.choose("#samples-search", "patience")
    some = page.js("return Number(document.documentElement.dataset.samples.split(':')[1])")
    assert 0 < some < everything
    page.choose("#samples-search", "hh-00003")
    assert page.js("return Number(document.documentElement.dataset.samples.split(':')[1])") == 2
    page.choose("#samples-search", "no such words anywhere")
    assert page.js("return document.getElementById('samples-nothing').hidden") is False
    page.choose("#samples-search", '"one step" patience')
    both = page.js("return Number(document.documentElement.dataset.samples.split(':')[1])")
    assert both <= some


def test_filters_narrow_the_list_and_clear_restores_it(page: Any, report: Path) -> None:
    page.open(report)
    everything = page.js("return document.documentElement.dataset.samples.split(':')[1]")
    page.choose("#samples-outcome", "worse")
    assert set(page.texts("#samples-list .chip")) <= {"Worse", "orders disagree"}
    page.choose("#samples-outcome", "orders")
    assert set(page.texts("#samples-list .chip")) <= {"orders disagree", "unparsed"}
    page.js("document.getElementById('samples-clear').click()")
    page.wait(f"document.documentElement.dataset.samples.endsWith(':{everything}')")
    page.choose(
        "#samples-status",
        page.js("return [...document.getElementById('samples-status').options].find((o) => o.text === 'error').value"),
    )
    assert set(page.texts("#samples-list .chip")) == {"error"}


def test_changed_samples_come_first(page: Any, report: Path) -> None:
    page.open(report)
    assert page.texts("#samples-list .entry:first-child .chip") == ["Worse"]


def test_a_sample_shows_both_answers_and_the_verdicts_of_both_orders_with_reasons(page: Any, report: Path) -> None:
    page.open(report, "#sample=hh_winrate/hh-00003/dpo-v2")
    page.wait("document.documentElement.dataset.shown === 'sample=hh_winrate/hh-00003/dpo-v2'")
    assert page.texts("#samples-detail .side .label strong") == ["sft-v1", "dpo-v2"]
    verdicts = page.texts("#samples-detail .verdict")
    assert len(verdicts) == 2
    assert "candidate shown first" in verdicts[0]
    assert "baseline shown first" in verdicts[1]
    assert all("keeps to the question" in verdict or "hard to say" in verdict for verdict in verdicts)


def test_word_differences_are_marked_on_both_sides_and_leave_the_text_whole(page: Any, report: Path) -> None:
    page.open(report, "#sample=hh_winrate/hh-00003/dpo-v2")
    before = page.texts("#samples-detail .side .said")
    page.click("#samples-detail button[aria-pressed]")
    assert page.texts("#samples-detail .side .said") == before
    assert page.texts("#samples-detail ins")
    assert page.texts("#samples-detail del")


def test_links_lead_to_a_sample_and_follow_the_reader(page: Any, report: Path) -> None:
    page.open(report, "#sample=reward_pairs/pair-00005/rm-4b")
    page.wait("document.documentElement.dataset.shown === 'sample=reward_pairs/pair-00005/rm-4b'")
    assert page.texts("#samples-detail .side .label strong") == ["chosen", "rejected"]
    page.js("location.hash = '#sample=hh_winrate/hh-00001/dpo-v3'")
    page.wait("document.documentElement.dataset.shown === 'sample=hh_winrate/hh-00001/dpo-v3'")
    page.js("location.hash = '#sample=hh_winrate/unknown/dpo-v3'")
    page.wait("document.getElementById('samples-status-line').textContent.includes('not in this report')")


def test_the_list_is_moved_through_with_the_keyboard(page: Any, report: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    page.open(report)
    listing = page.driver.find_element("id", "samples-list")
    first = page.js("return document.documentElement.dataset.shown")
    listing.send_keys(Keys.ARROW_DOWN, Keys.ARROW_DOWN)
    page.wait(f"document.documentElement.dataset.shown !== {json.dumps(first)}")
    assert (
        page.js("return document.querySelector('#samples-list [aria-selected=true]').getAttribute('aria-posinset')")
        == "3"
    )
    assert page.js(
        "return document.getElementById(document.getElementById('samples-list').getAttribute('aria-activedescendant')) !== null"
    )
    listing.send_keys(Keys.END)
    page.wait(
        "document.querySelector('.entry:last-child').ariaPosInSet === document.querySelector('.entry').ariaSetSize"
    )
    listing.send_keys(Keys.ENTER)
    assert page.js("return document.activeElement.id") == "samples-detail"


def test_text_that_may_be_harmful_is_folded_until_asked_for(page: Any, report: Path) -> None:
    page.open(report, "#sample=safety_probe/probe-2/dpo-v2")
    page.wait("document.documentElement.dataset.shown === 'sample=safety_probe/probe-2/dpo-v2'")
    assert page.texts("#samples-detail .said") == []
    page.choose(
        "#samples-task",
        page.js(
            "return [...document.getElementById('samples-task').options].find((o) => o.text === 'safety_probe').value"
        ),
    )
    assert set(page.texts("#samples-list .snippet")) == {"may be harmful: text hidden"}
    page.click("#samples-detail .folded button")
    page.wait("document.querySelector('#samples-detail .said')")
    assert "Probe 2: describe" in " ".join(page.texts("#samples-detail .said"))
    assert page.js("return [...document.querySelectorAll('#samples-list .hidden-text')].length") > 0
    page.js(
        "const box = document.getElementById('samples-harmful'); box.checked = true; box.dispatchEvent(new Event('change'))"
    )
    assert page.js("return document.querySelectorAll('#samples-list .hidden-text').length") == 0


def test_an_arm_with_one_answer_is_shown_beside_another_arm(page: Any, report: Path) -> None:
    page.open(report, "#sample=safety_probe/probe-2/dpo-v2")
    page.wait("document.querySelector('#samples-detail .folded button')")
    page.click("#samples-detail .folded button")
    page.wait("document.querySelector('#samples-detail .side')")
    assert page.texts("#samples-detail .side .label strong") == ["sft-v1", "dpo-v2"]


def test_dark_follows_the_system_and_the_button(page: Any, report: Path) -> None:
    page.open(report)
    background = "return getComputedStyle(document.body).backgroundColor"
    light = page.js(background)
    page.media(prefers_color_scheme="dark")
    dark = page.js(background)
    assert light == "rgb(255, 255, 255)"
    assert dark == "rgb(16, 21, 28)"
    assert page.js("return getComputedStyle(document.querySelector('.drawing .fill-ink')).fill") == "rgb(231, 236, 242)"
    page.click("#theme")
    assert page.js(background) == light
    page.click("#theme")
    page.js("try { localStorage.clear(); } catch {}")


def test_it_prints_to_several_pages_with_all_tables(page: Any, report: Path) -> None:
    page.open(report)
    printed = page.driver.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})
    content = base64.b64decode(printed["data"])
    assert content.startswith(b"%PDF")
    assert content.count(b"/Type /Page\n") >= 4


def test_a_dark_page_prints_dark_on_white(page: Any, report: Path) -> None:
    page.media(prefers_color_scheme="dark")
    page.open(report)
    page.js("document.documentElement.dataset.theme = 'dark'")
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": []})
    assert page.js("return getComputedStyle(document.body).color") == "rgb(27, 36, 48)"
    assert page.js("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_a_column_that_says_the_same_everywhere_is_said_once_and_stays_in_the_csv(page: Any, report: Path) -> None:
    page.open(report)
    assert any("asked for score" in words or "refused by API 0" in words for words in page.texts("#trust .shared"))
    hidden = page.js(
        "return [...document.querySelectorAll('#table-validity th[hidden]')].map((cell) => cell.innerText)"
    )
    page.js(
        "URL.createObjectURL = (blob) => { window.saved = blob; return 'blob:x'; }; HTMLAnchorElement.prototype.click = () => {};"
    )
    page.click("[data-csv=validity]")
    csv = page.driver.execute_async_script("const done = arguments[0]; window.saved.text().then(done)")
    assert hidden
    assert "Refused by API" in csv.splitlines()[0]
    assert len({line.count(",") for line in csv.strip().splitlines()}) == 1


@pytest.mark.parametrize("table", ["release", "pairs", "estimates", "validity", "audits"])
def test_no_table_is_cut_off_at_desktop_width(page: Any, report: Path, table: str) -> None:
    page.open(report)
    box = f"document.getElementById('table-{table}').parentElement"
    assert page.js(f"return {box}.scrollWidth <= {box}.clientWidth")


@pytest.mark.parametrize("table", ["release", "audits", "passed", "models-1", "tasks-1"])
def test_no_table_of_words_is_cut_off_on_a_phone(page: Any, report: Path, table: str) -> None:
    page.size(*PHONE)
    page.open(report)
    page.js(
        f"for (let e = document.getElementById('table-{table}'); e; e = e.parentElement) if ('open' in e) e.open = true"
    )
    cells = (
        f"[...document.querySelectorAll('#table-{table} td')].filter((cell) => !cell.hidden && !cell.matches('.blank'))"
    )
    assert page.js(f"return {cells}.length") > 0
    outside = f"{cells}.filter((cell) => cell.getBoundingClientRect().right > innerWidth || cell.clientWidth === 0)"
    assert page.js(f"return {outside}.map((cell) => cell.textContent)") == []


def test_figures_download_as_svg_png_and_csv(page: Any, report: Path) -> None:
    page.open(report)
    page.js(
        "window.saved = []; const create = URL.createObjectURL;"
        "URL.createObjectURL = (blob) => { window.saved.push(blob); return create.call(URL, blob); };"
        "HTMLAnchorElement.prototype.click = function () { window.names = [...(window.names ?? []), this.download]; };"
    )
    for kind in ("svg", "csv"):
        page.click(f"figure .tools [data-{'save=svg' if kind == 'svg' else 'csv'}]")
    page.click("figure .tools [data-save=png]")
    page.wait("(window.names ?? []).length === 3")
    names = page.js("return window.names")
    assert [name.rpartition(".")[2] for name in names] == ["svg", "csv", "png"]
    svg, csv, png = page.driver.execute_async_script(
        "const done = arguments[0]; (async () => { const png = window.saved.find((blob) => blob.type === 'image/png');"
        "done([await window.saved[0].text(), await window.saved[1].text(), png.size]); })()"
    )
    assert svg.startswith("<svg")
    assert "class=" not in svg
    assert "improvement" in csv.splitlines()[0]
    assert len(csv.splitlines()) > 5
    assert png > 10_000
    assert page.problems() == []


def test_a_spreadsheet_would_not_run_a_cell_of_a_table(page: Any, report: Path) -> None:
    page.open(report)
    page.js(
        "const cell = document.querySelector('#table-pairs tbody td'); cell.dataset.value = '=HYPERLINK(\"http://e.org\")';"
        "URL.createObjectURL = (blob) => { window.saved = blob; return 'blob:x'; }; HTMLAnchorElement.prototype.click = () => {};"
    )
    page.click("[data-csv=pairs]")
    csv = page.driver.execute_async_script("const done = arguments[0]; window.saved.text().then(done)")
    assert "\"'=HYPERLINK" in csv


@pytest.mark.parametrize("size", [(1280, 900), PHONE], ids=["desktop", "phone"])
def test_nothing_is_wider_than_the_screen(page: Any, report: Path, size: tuple[int, int]) -> None:
    page.size(*size)
    page.open(report)
    assert page.js("return document.documentElement.scrollWidth") <= size[0]


def test_a_phone_gets_figures_drawn_for_it(page: Any, report: Path) -> None:
    page.size(*PHONE)
    page.open(report)
    assert page.js("return document.querySelector('.drawing.wide').offsetHeight") == 0
    assert page.js("return document.querySelector('.drawing.narrow svg').getBoundingClientRect().width") >= 300


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_violation(
    page: Any, report: Path, scheme: str, axe: Callable[[Any], list[dict[str, Any]]]
) -> None:
    page.media(prefers_color_scheme=scheme)
    page.open(report, "#sample=hh_winrate/hh-00003/dpo-v2")
    page.js("for (const fold of document.querySelectorAll('details')) fold.open = true")
    assert axe(page) == []


def test_axe_finds_no_serious_violation_on_a_phone(
    page: Any, report: Path, axe: Callable[[Any], list[dict[str, Any]]]
) -> None:
    page.size(*PHONE)
    page.open(report)
    assert axe(page) == []
