"""The explorer's pages as answers: every address, what stands in them, and what never does."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.explorer_cases import HOSTILE_ID, World, given_up, proposal, reader_of
from tests.explorer_site import WRONG, Read, served

from proofrail.cairo.risk_program import packaged
from proofrail.explorer.reader import ViewReader
from proofrail.explorer.site import Site
from proofrail.explorer.web import application
from proofrail.wire.errors import UnusableInputError

PAGES = Path(__file__).parents[2] / "services" / "proofrail" / "explorer" / "pages"


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ViewReader]:
    made = reader_of(tmp_path_factory.mktemp("explorer"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def site(reader: ViewReader) -> Iterator[httpx.Client]:
    with served(application(reader)) as base, httpx.Client(base_url=base, timeout=30) as client:
        yield client


def read(site: httpx.Client, address: str, status: int = 200) -> Read:
    answer = site.get(address)
    assert status == answer.status_code, answer.text[:400]
    return Read(answer.text)


def run_of(site: httpx.Client, verdict: str) -> str:
    """Address of a run with this verdict."""
    return next(
        link
        for link in read(site, f"/runs?verdict={verdict}").links
        if re.fullmatch("/runs/[0-9a-f]{32}", link)
    )


def policy(answer: httpx.Response) -> dict[str, str]:
    """The content-security-policy by directive."""
    parts = (part.strip().partition(" ") for part in answer.headers["content-security-policy"].split(";"))
    return {name: value for name, _, value in parts}


def addresses(site: httpx.Client) -> list[str]:
    """One of every page there is."""
    wrong = run_of(site, "MISMATCH")
    return [
        "/",
        "/runs",
        "/runs?verdict=MATCH&state=attested",
        "/runs?q=zz",
        wrong,
        run_of(site, "MATCH"),
        f"{wrong}?step=412",
        f"{wrong}?seq=5",
        "/allocations",
        "/allocations?state=recorded&decision=approved",
        f"/allocations/{WRONG}",
        "/allocations/vault:000003",
        Site().allocation(HOSTILE_ID),
        "/dead-letters",
        "/search",
        "/search?q=vault:0001",
        "/search?q=nothing-has-this",
        "/open",
        "/message?topic=proofs.v1&partition=0&offset=0&line=0",
    ]


def test_every_page_obeys_its_own_policy(site: httpx.Client) -> None:
    """No inline script, style or handler, nothing from another origin, and the policy that says so on every answer."""
    for address in addresses(site):
        answer = site.get(address)
        page = Read(answer.text)
        assert 200 == answer.status_code, address
        wanted = {
            "script-src": "'self'",
            "style-src": "'self'",
            "default-src": "'none'",
            "base-uri": "'none'",
        }
        assert wanted.items() <= policy(answer).items()
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert "nosniff" == answer.headers["x-content-type-options"]
        assert [] == [one for one in page.all("script") if not (one.get("src") or "").startswith("/static/")]
        assert [] == page.all("style")
        named = [(tag, name) for tag, attributes in page.elements for name in attributes]
        assert [] == [pair for pair in named if pair[1] == "style" or pair[1].startswith("on")], address
        targets = [
            value
            for _, attributes in page.elements
            for name, value in attributes.items()
            if name in ("href", "src", "action", "hx-get") and value
        ]
        assert [] == [one for one in targets if not one.startswith(("/", "#")) or one.startswith("//")], (
            address
        )


def test_every_id_on_a_page_is_there_once(site: httpx.Client) -> None:
    """Links within a page, labels and what htmx replaces go by ids."""
    for address in addresses(site):
        ids = [name for _, attributes in read(site, address).elements if (name := attributes.get("id"))]
        assert len(set(ids)) == len(ids), address


def test_a_hostile_id_is_text_wherever_it_stands(site: httpx.Client) -> None:
    """What came as an allocation id is shown as it came, and makes no element, attribute or template of its own."""
    for address in ("/allocations?state=dead-lettered", "/dead-letters", Site().allocation(HOSTILE_ID)):
        answer = site.get(address)
        assert "<script>alert" not in answer.text
        assert "<img" not in answer.text
        assert "49" not in re.findall(r"&amp;(\d+)/", answer.text)
        assert HOSTILE_ID in Read(answer.text).text


@pytest.mark.parametrize(
    ("address", "status", "said"),
    [
        ("/runs/nope", 404, "nothing is known of"),
        ("/allocations/nope", 404, "nothing is known of"),
        ("/message?topic=proofs.v1&partition=0&offset=99999", 404, "nothing is known of"),
        ("/runs?verdict=PERHAPS", 400, "PERHAPS"),
        ("/runs?cursor=!", 400, "cursor"),
        ("/runs/nope?step=-1", 400, "step is a number"),
        ("/file/0123456789abcdef/", 404, "not held any more"),
        ("/static/../handlers.py", 404, ""),
        ("/static/handlers.py", 404, "no such file"),
    ],
)
def test_what_cannot_be_shown_says_so(site: httpx.Client, address: str, status: int, said: str) -> None:
    """An error is a page with its code, and with a hint how to search."""
    answer = site.get(address)
    assert status == answer.status_code
    assert said in Read(answer.text).text


def test_the_first_mismatch_stands_side_by_side_with_what_was_expected(site: httpx.Client) -> None:
    """The audit card has the line, the registers, both values, the evidence and the commands that check them."""
    page = read(site, run_of(site, "MISMATCH"))
    for said in (
        "cairo/risk_engine.cairo:120",
        "this line: ▸120",
        packaged("risk_engine.cairo").read_text().splitlines()[119],
        "__main__.score",
        "pc 23, ap 1210, fp 1205",
        f"{1:064x}",
        "verify_evidence.py",
    ):
        assert said in page.text
    assert any("/artifacts/" in link or "/evidence" in link for link in page.links)
    assert any("--at 412" in (one.get("data-copy") or "") for one in page.all("button"))


def test_a_search_that_finds_one_thing_goes_there(site: httpx.Client) -> None:
    """The search box takes ids, hashes and steps, and one hit is opened at once."""
    run_id = run_of(site, "MISMATCH").rpartition("/")[2]
    assert f"/runs/{run_id}" == site.get(f"/search?q={run_id}").headers["location"]
    assert (
        f"/runs/{run_id}?step=412" == site.get("/search", params={"q": f"{run_id}@412"}).headers["location"]
    )
    found = site.get("/search?q=vault:000003")
    assert (303, "/allocations/vault%3A000003") == (found.status_code, found.headers["location"])


def test_pages_of_a_table_follow_one_another_without_loss(site: httpx.Client) -> None:
    """Older and newer links lead through all rows, each once, with the filters kept."""
    seen: list[str] = []
    address: str | None = "/allocations?state=attested"
    while address:
        page = read(site, address)
        seen += [link for link in page.links if link.startswith("/allocations/")]
        address = next((one["href"] for one in page.all("a", id="older")), None)
        assert address is None or "state=attested" in address
        assert len(seen) <= 200
    assert (65, 65) == (len(seen), len(set(seen)))


def test_a_shown_message_is_the_published_one(site: httpx.Client) -> None:
    """What a place leads to can be copied byte for byte."""
    page = read(site, "/message?topic=proofs.v1&partition=0&offset=0&line=0")
    copied = [one["data-copy"] for one in page.all("button") if one.get("data-copy")]
    assert any(text is not None and text.startswith('{"attempt":1,"backend":"stwo"') for text in copied)


@settings(max_examples=60, deadline=None)
@given(
    key=st.text(min_size=1, max_size=70)
    | st.sampled_from([".", "..", "a/../b", "%2e%2e", "?x=1#y", "\\", '"><'])
)
def test_any_id_has_an_address_of_its_own(key: str) -> None:
    """Dots, slashes and quotes in an id survive the way through an address, as a browser resolves it."""
    if not key.isprintable() and key.encode("utf-8", "replace").decode() != key:
        return
    address = Site("/file/k").allocation(key)
    parsed = httpx.URL("http://host/").join(address)
    given_id = (
        parsed.params.get("id")
        if parsed.path == "/file/k/allocation"
        else parsed.path.removeprefix("/file/k/allocations/")
    )
    assert key == given_id


def test_static_files_are_kept_for_as_long_as_their_digest_holds(site: httpx.Client) -> None:
    """An address with the digest may be cached for ever, another one may not."""
    page = read(site, "/")
    sheet = next(one["href"] for one in page.all("link", rel="stylesheet"))
    assert sheet is not None
    assert "immutable" in site.get(sheet).headers["cache-control"]
    assert "no-cache" == site.get("/static/app.css").headers["cache-control"]
    assert "text/css; charset=utf-8" == site.get(sheet).headers["content-type"]


def test_every_run_is_light(site: httpx.Client) -> None:
    """No run of the world, deep or wide, makes a page of 200 KB with what it loads."""
    loaded = sum(
        len(site.get(f"/static/{name}").content)
        for name in ("app.css", "app.js", "icon.svg", "vendor/htmx.min.js")
    )
    heavy = [link for link in read(site, "/runs").links if link.startswith("/runs/")]
    assert 10 < len(heavy)
    assert 200_000 > loaded + max(len(site.get(link).content) for link in heavy)


def test_the_vendored_library_is_the_one_its_licence_names() -> None:
    """htmx lies here unchanged, with its licence beside it."""
    vendor = PAGES / "static" / "vendor"
    said = (vendor / "LICENSE.txt").read_text()
    digest, name = re.findall(r"^([0-9a-f]{64})  (\S+)$", said, re.MULTILINE)[0]
    assert digest == hashlib.sha256((vendor / name).read_bytes()).hexdigest()
    assert "Zero-Clause BSD" in said


class Opened:
    """Hands out one reader, and counts; refuses what does not look like an export."""

    def __init__(self, reader: ViewReader) -> None:
        self.reader = reader
        self.given: list[bytes] = []

    def __call__(self, data: bytes) -> ViewReader:
        self.given.append(data)
        if not data.startswith(b"{"):
            raise UnusableInputError(
                "export-malformed", "line 1 is none of an exported run", "Export it again."
            )
        return self.reader


@pytest.fixture
def opened(reader: ViewReader) -> Iterator[tuple[httpx.Client, Opened]]:
    opener = Opened(reader)
    with (
        served(application(reader, opener=opener)) as base,
        httpx.Client(base_url=base, timeout=30) as client,
    ):
        yield client, opener


def drop(client: httpx.Client, data: bytes, name: str = "run.ndjson", **headers: str) -> httpx.Response:
    return client.post("/open", files={"file": (name, data)}, headers=headers)


def test_a_dropped_file_gets_pages_of_its_own(opened: tuple[httpx.Client, Opened]) -> None:
    """All pages work below the file's address; nothing there is live; the same file is read once."""
    client, opener = opened
    answer = drop(client, b"{1}", "a<b>.ndjson")
    assert 303 == answer.status_code
    home = answer.headers["location"]
    assert re.fullmatch(r"/file/[0-9a-f]{32}/", home)
    page = read(client, home + "runs")
    assert "a<b>.ndjson" in page.text
    assert "data-feed" not in page.all("body")[0]
    inside = [link for link in page.links if "/runs/" in link]
    assert inside
    assert all(link.startswith(home) for link in inside)
    assert 200 == client.get(inside[0]).status_code
    assert home == drop(client, b"{1}").headers["location"]
    assert 1 == len(opener.given)


def test_only_the_last_files_are_held(opened: tuple[httpx.Client, Opened]) -> None:
    """What others took the place of is gone, and its address says what to do."""
    client, _ = opened
    homes = [drop(client, b"{%d}" % number).headers["location"] for number in range(5)]
    assert [404, 404, 200, 200, 200] == [client.get(home + "runs").status_code for home in homes]


def test_what_is_no_export_is_refused_on_the_page(opened: tuple[httpx.Client, Opened]) -> None:
    """Code, cause and next step stand where the file was chosen."""
    client, _ = opened
    answer = drop(client, b"hello")
    assert 422 == answer.status_code
    assert "export-malformed" in answer.text
    assert "export-missing" in drop(client, b"").text
    assert "export-missing" in client.post("/open", content=b"x").text


def test_a_file_is_bounded_and_taken_from_our_own_pages_only(
    opened: tuple[httpx.Client, Opened], monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than the limit is not read, and no other site's page can make this service read anything."""
    client, opener = opened
    monkeypatch.setattr("proofrail.explorer.pages.opened.MAX_FILE", 100_000)
    assert "export-too-large" in drop(client, b"{" * 300_000).text
    crossing: dict[str, str] = {"sec-fetch-site": "cross-site"}
    assert 403 == drop(client, b"{1}", **crossing).status_code
    assert [] == opener.given


def test_what_a_ledger_took_back_is_said(tmp_path: Path) -> None:
    """A registration that stands in place of another says so, with the transaction that is gone, in the history as
    well; the earlier one of the same ledger is no longer called recorded, one of another ledger is."""
    world = World()
    run = world.seal(world.propose(proposal(1)))
    run.settle()
    (name,) = run.attestations
    gone, chain = "0x" + "a" * 60, {"kind": "starknet", "network": "SN_SEPOLIA"}
    run.register(name)
    run.register(name, ledger=chain, transaction=gone)
    run.register(name, ledger=chain, transaction="0xb", replaces=gone)
    reader = reader_of(tmp_path, world)
    with served(application(reader)) as base, httpx.Client(base_url=base, timeout=30) as client:
        cards = client.get(f"/api/allocations/{name}").json()["registrations"]
        text = read(client, f"/allocations/{name}").text
    reader.close()
    assert [(None, False), (None, True), (gone, False)] == [
        (one["replaces"], one["taken_back"]) for one in cards
    ]
    assert "Recorded anew in the ledger starknet SN_SEPOLIA, which had taken back" in text
    assert f"{gone[:10]}…{gone[-6:]}" in text
    assert 1 == text.count("Taken back")
    assert text.index("in place of an earlier registration") < text.index("Taken back")


def test_what_went_wrong_comes_with_what_to_do(site: httpx.Client, tmp_path: Path) -> None:
    """Cause and commands, as the manual has them for each verdict: an invalid proposal, one that was given up and its
    run, a mismatch and its allocations."""
    found = read(site, Site().allocation(HOSTILE_ID)).text
    assert "Invalid: the proposal was refused, and nothing was run." in found
    assert "Dead-lettered: not JSON at character 0: <b>" in found
    assert "proofrail dlq show 0-1" in found
    assert "proofrail dlq replay 0-1 --value FILE" in found
    wrong = run_of(site, "MISMATCH")
    assert "proofrail explain output_bytes" in read(site, wrong).text
    assert f"{wrong}#audit" in read(site, f"/allocations/{WRONG}").links
    world = World()
    run = given_up(world)
    reader = reader_of(tmp_path, world)
    with served(application(reader)) as base, httpx.Client(base_url=base, timeout=30) as client:
        for address in (f"/runs/{run.run_id}", "/allocations/vault:000001"):
            text = read(client, address).text
            assert "the proof needs more memory than there is" in text
            assert "proofrail explain prover-out-of-memory" in text
            assert f"proofrail requeue {run.run_id}" in text
    reader.close()
