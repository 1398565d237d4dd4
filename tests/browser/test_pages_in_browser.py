"""The explorer's pages in a real browser: what they ask for, how they look, and what a person can do with them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from proofrail.explorer.reader import ViewReader
from proofrail.explorer.site import Site
from proofrail.explorer.view import Changed
from tests.browser.conftest import InLoop, Open
from tests.explorer_cases import HOSTILE_ID, World, proposal
from tests.explorer_export import exported
from tests.explorer_site import WRONG

pytestmark = pytest.mark.browser

LOOKS = Path(__file__).with_name("looks.js").read_text()
MAX_PAGE = 200_000
"""Bytes of a page with all that it loads, uncompressed."""

PAGES = {
    "overview": "/",
    "runs": "/runs",
    "mismatch": "/search?q=output_bytes",
    "allocations": "/allocations",
    "rejected": "/allocations/vault:000003",
    "wrong": f"/allocations/{WRONG}",
    "hostile": Site().allocation(HOSTILE_ID),
    "dead letters": "/dead-letters",
    "nothing found": "/search?q=nothing-has-this",
    "open": "/open",
    "message": "/message?topic=proofs.v1&partition=0&offset=0&line=0",
}


@pytest.fixture(scope="module")
def runs(base: str) -> dict[str, str]:
    """Addresses of runs: by verdict, and one with folded iterations."""
    import httpx

    def first(query: str) -> str:
        found = re.search(r'href="(/runs/[0-9a-f]{32})"', httpx.get(base + query, timeout=60).text)
        assert found is not None, query
        return found[1]

    return {"MISMATCH": first("/runs?verdict=MISMATCH"), "MATCH": first("/runs?verdict=MATCH")}


@pytest.mark.parametrize("name", [*PAGES, "MISMATCH", "MATCH"])
def test_a_page_is_sound(page_at: Open, runs: dict[str, str], name: str) -> None:
    """No error on the console, no request to elsewhere, below 200 KB; on wide and narrow screens, in light and dark,
    nothing too wide, and contrasts, names, outline and targets as people with other eyes and hands need them."""
    page, seen = page_at(PAGES.get(name) or runs[name])
    assert 0 < seen.bytes < MAX_PAGE
    for width, scheme in (
        (1280, "light"),
        (1280, "dark"),
        (820, "dark"),
        (640, "light"),
        (360, "dark"),
        (360, "light"),
    ):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        found = page.evaluate(LOOKS)
        assert [] == found, f"{width} px, {scheme}"
    assert ([], []) == (seen.problems, seen.strange)


@pytest.mark.parametrize(
    "address", ["/allocations?state=dead-lettered", "/dead-letters", Site().allocation(HOSTILE_ID)]
)
def test_a_hostile_id_does_nothing(page_at: Open, address: str) -> None:
    """What came as an id or a message is text for the browser, too: no dialog, no element, no request."""
    page, seen = page_at(address)
    expect(page.get_by_text(HOSTILE_ID).first).to_be_visible()
    assert ([], []) == (seen.problems, seen.strange)
    assert 0 == page.locator("main img, main script, main iframe").count()


def test_the_way_by_keyboard(page_at: Open) -> None:
    """Skip link first, `/` to search, `j` and `k` along the rows, Enter into one, `g a` elsewhere, `t` for exact
    times, `?` for the list."""
    page, seen = page_at("/runs")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    expect(page.locator(".rowlink").first).to_be_focused()
    assert "none" != page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#help")).to_be_hidden()
    time = page.locator("tbody time[data-ago]").first
    expect(time).to_contain_text("ago")
    page.keyboard.press("t")
    expect(time).to_contain_text("UTC")
    page.keyboard.press("t")
    expect(time).to_contain_text("ago")
    page.keyboard.press("/")
    expect(page.locator("#find")).to_be_focused()
    page.keyboard.type("j/?")
    expect(page.locator("#find")).to_have_value("j/?")
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("a")
    page.wait_for_url("**/allocations")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/allocations/*")
    assert [] == seen.problems


def test_one_search_box_leads_to_the_page(page_at: Open, runs: dict[str, str]) -> None:
    """An id that one thing has leads there at once; a step opens its card."""
    page, _ = page_at("/")
    run_id = runs["MISMATCH"].rpartition("/")[2]
    page.fill("#find", f"{run_id}@412")
    page.press("#find", "Enter")
    page.wait_for_url("**?step=412")
    expect(page.locator("#step")).to_contain_text("StepBlock 0")


def test_filters_change_the_table_in_place(page_at: Open) -> None:
    """A filter asks for rows alone, and the address says it, so that it can be shared and gone back from; the same
    filter twice is one step back."""
    page, seen = page_at("/runs")
    page.evaluate("window.same = true")
    page.select_option("select[name=verdict]", "MISMATCH")
    expect(page.locator("#results tbody tr")).to_have_count(1)
    assert page.url.endswith("/runs?verdict=MISMATCH")
    assert page.evaluate("window.same")
    page.select_option("select[name=state]", "open")
    expect(page.locator("#results")).to_contain_text("No run fits")
    page.go_back()
    expect(page.locator("#results tbody tr")).to_have_count(1)
    page.fill(".filters input[name=q]", "none-begins-so")
    page.press(".filters input[name=q]", "Enter")
    expect(page.locator("#results")).to_contain_text("No run fits")
    with page.expect_response("**/runs?*"):
        page.press(".filters input[name=q]", "Enter")
    page.go_back()
    expect(page.locator("#results tbody tr")).to_have_count(1)
    assert [] == seen.problems


def test_the_way_back_to_what_is_live(page_at: Open) -> None:
    """Older pages stand still; the newest of them leads to the table that follows what happens."""
    page, _ = page_at("/allocations")
    assert 1 == page.locator("#results[data-live]").count()
    page.keyboard.press("n")
    page.wait_for_url("**cursor=*")
    expect(page.locator("#results:not([data-live])")).to_have_count(1)
    page.keyboard.press("p")
    expect(page.locator("#newer")).to_contain_text("live")
    page.keyboard.press("p")
    expect(page.locator("#results[data-live]")).to_have_count(1)


def test_iterations_unfold_where_they_stand(page_at: Open, runs: dict[str, str]) -> None:
    """A loop is one row with its count; opened, it shows its iterations, and they what is inside them."""
    page, seen = page_at(runs["MATCH"])
    folded = page.locator("#spans details", has=page.locator(".chip", has_text="iteration")).first
    folded.locator("> summary").click()
    inside = folded.locator("> .kids > details")
    expect(inside.first).to_be_visible()
    expect(inside.first.locator("> summary .t")).to_contain_text("[0]")
    inside.first.locator("> summary").click()
    expect(inside.first).to_contain_text("begins with")
    assert [] == seen.problems


def test_events_are_found_and_linked_to(page_at: Open, runs: dict[str, str]) -> None:
    """The filter leaves the lines that hold the text, and the address says it; a link opens one event."""
    page, seen = page_at(runs["MATCH"])
    page.fill("#events input[name=q]", "TraceEnd")
    expect(page.locator("#event-rows tbody tr")).to_have_count(1)
    expect(page).to_have_url(re.compile(r"\?q=TraceEnd#events$"))
    page.reload()
    expect(page.locator("#event-rows tbody tr")).to_have_count(1)
    page.locator("#event-rows tbody tr a").first.click()
    page.wait_for_url("**#e*")
    expect(page.locator("#event-rows tbody pre").locator("visible=true")).to_contain_text("output_sha256")
    assert [] == seen.problems


def test_what_is_copied_is_the_whole_hash(page_at: Open, runs: dict[str, str]) -> None:
    """A copy button gives what it stands beside, in full, and says so."""
    page, seen = page_at(runs["MATCH"], permissions=["clipboard-read", "clipboard-write"])
    button = page.locator("#proof .copy").last
    button.click()
    expect(page.locator("#toast")).to_have_text("Copied")
    assert button.get_attribute("data-copy") == page.evaluate("navigator.clipboard.readText()")
    assert [] == seen.problems


@pytest.mark.parametrize("address", ["/", "/runs?verdict=MISMATCH", "/open"])
def test_pages_work_without_scripts(page_at: Open, address: str) -> None:
    """Links, forms and tables are all there; a script adds comfort only."""
    page, _ = page_at(address, java_script_enabled=False)
    expect(page.locator("main h1")).to_have_count(1)
    expect(page.locator("[data-copy], [data-help]").locator("visible=true")).to_have_count(0)
    page.fill("#find", "vault:000003")
    page.press("#find", "Enter")
    expect(page.locator("h1")).to_contain_text("vault:000003")


def test_the_cairo_line_is_marked(page_at: Open, runs: dict[str, str]) -> None:
    """The line of the first mismatch stands among its neighbours, marked, and is reached by keyboard where it is wider
    than the screen."""
    page, seen = page_at(runs["MISMATCH"], width=360)
    lines = page.locator("#audit .src li")
    expect(lines).to_have_count(7)
    expect(page.locator("#audit .src .hit")).to_contain_text("120")
    expect(page.locator("#audit .src .hit")).to_be_visible()
    page.locator("#audit .src").focus()
    expect(page.locator("#audit .src")).to_be_focused()
    assert [] == seen.problems


def test_less_motion_and_paper(page_at: Open, runs: dict[str, str]) -> None:
    """Who asks for less motion gets none; on paper there is no navigation, and hashes stand in full."""
    page, _ = page_at(runs["MATCH"], reduced_motion="reduce")
    moving = "[...document.querySelectorAll('*')].map((one) => parseFloat(getComputedStyle(one).transitionDuration))"
    assert {0} == set(page.evaluate(moving))
    page.emulate_media(media="print")
    expect(page.locator(".top")).to_be_hidden()
    expect(page.locator("#proof .copy").first).to_be_hidden()


def test_an_exported_run_is_dropped_onto_any_page(page_at: Open) -> None:
    """The file opens as pages of its own, the run first; what it is of is said, and nothing there claims to be live."""
    world = World()
    run = world.seal(world.propose(proposal(7), proposal(8, share=9_000)))
    run.settle()
    file = exported(run.run_id, world.records, ["vault:000007", "vault:000008"])
    page, seen = page_at("/runs")
    page.evaluate(
        """(text) => {
            const data = new DataTransfer();
            data.items.add(new File([text], "mine.ndjson"));
            for (const type of ["dragenter", "dragover", "drop"]) {
                document.body.dispatchEvent(new DragEvent(type, {dataTransfer: data, bubbles: true, cancelable: true}));
            }
        }""",
        file.decode(),
    )
    page.wait_for_url(f"**/file/*/runs/{run.run_id}")
    expect(page.locator("#banner")).to_contain_text("mine.ndjson")
    expect(page.locator("#proof")).to_contain_text("96 bits")
    expect(page.locator("#spans details").first).to_be_visible()
    page.get_by_role("link", name="vault:000008").click()
    expect(page.locator("main")).to_contain_text("Rejected")
    assert 0 == page.locator("#live").count()
    assert ([], []) == (seen.problems, seen.strange)


def test_a_change_comes_to_the_page_by_itself(page_at: Open, reader: ViewReader, service: InLoop) -> None:
    """The feed tells, the page asks again, and what somebody is reading keeps its place and focus."""
    page, seen = page_at("/runs")
    expect(page.locator("[data-live-word]")).to_have_text("Live")
    page.keyboard.press("j")
    page.keyboard.press("j")
    focused = page.evaluate("document.activeElement.id")
    page.evaluate("document.querySelector('#results tbody').dataset.old = '1'")
    told = len(seen.requests)
    service.call(reader.feed.tell, Changed(runs=[("0" * 32, "sealed", "PENDING")]))
    expect(page.locator("#results tbody[data-old]")).to_have_count(0)
    assert focused == page.evaluate("document.activeElement.id")
    assert told < len(seen.requests) <= told + 3
    assert [] == seen.problems


def test_a_change_closes_nothing_that_is_open(
    page_at: Open, reader: ViewReader, service: InLoop, runs: dict[str, str]
) -> None:
    """What somebody opened in a card stays open when the card is asked for again, nothing jumps, and the focus stays
    on what has no id of its own, too."""
    page, seen = page_at(runs["MATCH"])
    expect(page.locator("[data-live-word]")).to_have_text("Live")
    page.locator("#proof details > summary").first.click()
    page.locator("#proof .copy").last.focus()
    where = "[document.activeElement.dataset.copy, scrollY, document.documentElement.scrollHeight]"
    before = page.evaluate(where)
    page.evaluate("document.querySelector('#proof').dataset.old = '1'")
    run_id = runs["MATCH"].rpartition("/")[2]
    service.call(reader.feed.tell, Changed(runs=[(run_id, "attested", "MATCH")]))
    expect(page.locator("#proof[data-old]")).to_have_count(0)
    expect(page.locator("#proof details").first).to_have_attribute("open", "")
    assert before == page.evaluate(where)
    assert [] == seen.problems
