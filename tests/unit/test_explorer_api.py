"""The explorer over HTTP: what it answers, to whom, and that no query makes it fail."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.explorer_cases import HOSTILE_ID, World, filled, reader_of

from proofrail.artifacts.store import ArtifactStore
from proofrail.explorer.feed import Feed
from proofrail.explorer.model.answers import Change
from proofrail.explorer.model.strip import Pipeline
from proofrail.explorer.openapi import NAME, document, rendered
from proofrail.explorer.reader import ViewReader
from proofrail.explorer.settings import ExplorerSettings
from proofrail.explorer.view import Changed
from proofrail.explorer.web import application
from proofrail.wire.canonical import sha256_hex

SCHEMAS = Path(__file__).parents[2] / "schemas"
TOKEN = "a token of the tests"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ArtifactStore:
    return ArtifactStore((tmp_path_factory.mktemp("explorer") / "artifacts").as_uri())


@pytest.fixture(scope="module")
def world(store: ArtifactStore) -> World:
    return filled(store)


@pytest.fixture(scope="module")
def reader(
    tmp_path_factory: pytest.TempPathFactory, world: World, store: ArtifactStore
) -> Iterator[ViewReader]:
    reader = reader_of(tmp_path_factory.mktemp("explorer"), world, store=store)
    yield reader
    reader.close()


def client_of(reader: ViewReader, host: str = "127.0.0.1:8000", **options: object) -> httpx.AsyncClient:
    app = application(reader, **options)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=f"http://{host}")


@pytest.fixture(scope="module")
def transport(reader: ViewReader) -> httpx.ASGITransport:
    return httpx.ASGITransport(application(reader))


@pytest.fixture
async def client(transport: httpx.ASGITransport) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
        yield client


async def test_pages_of_a_table_join_without_gaps(client: httpx.AsyncClient) -> None:
    """From the youngest to the oldest and back, each row once, whatever the size of a page."""
    whole = (await client.get("/api/allocations?limit=250")).json()
    names = [row["allocation_id"] for row in whole["rows"]]
    assert None is whole["older"]
    assert None is whole["newer"]
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await client.get("/api/allocations", params={"limit": 7, "cursor": cursor})).json()
        found += [row["allocation_id"] for row in page["rows"]]
        last, cursor = page, page["older"]
    assert names == found
    while last["newer"] is not None:
        first = last["rows"][0]["allocation_id"]
        last = (await client.get("/api/allocations", params={"limit": 7, "cursor": last["newer"]})).json()
        assert names.index(first) == names.index(last["rows"][-1]["allocation_id"]) + 1
    assert names[0] == last["rows"][0]["allocation_id"]


async def test_filters_hold_for_every_row(client: httpx.AsyncClient) -> None:
    """State, decision, reason and verdict."""
    for state in ("attested", "mismatch", "dead-lettered", "waiting"):
        rows = (await client.get(f"/api/allocations?state={state}")).json()["rows"]
        assert {state} == {row["state"] for row in rows}
    rows = (await client.get("/api/allocations?approved=false&reason=OVER_MAX_SINGLE")).json()["rows"]
    assert ["vault:000030", "vault:000003"] == [row["allocation_id"] for row in rows]
    rows = (await client.get("/api/runs?verdict=MISMATCH")).json()["rows"]
    assert ["output_bytes"] == [row["error"] for row in rows]


async def test_everything_is_found_by_its_ids_and_hashes(client: httpx.AsyncClient) -> None:
    """An allocation, a run, hashes of both, beginnings of them, and steps."""
    page = (await client.get("/api/allocations/vault:000000")).json()
    run = (await client.get(f"/api/runs/{page['row']['run_id']}")).json()
    hashes = [
        one["value"] for card in (page["attestation"], run["seal"], run["proof"]) for one in card["hashes"]
    ]
    for text in (*hashes, *(one[:12] for one in hashes), "vault:000000", run["run"]["run_id"][:6]):
        hits = (await client.get("/api/search", params={"q": text})).json()["hits"]
        assert hits, text
    hits = (await client.get("/api/search", params={"q": f"{run['run']['run_id'][:8]}@17"})).json()["hits"]
    assert [f"/runs/{run['run']['run_id']}?step=17"] == [hit["href"] for hit in hits]


async def test_a_run_tells_all_of_its_story(client: httpx.AsyncClient) -> None:
    """The mismatch with what was expected and claimed, evidence with its command, cells, and signatures checked."""
    [row] = (await client.get("/api/runs?verdict=MISMATCH")).json()["rows"]
    page = (await client.get(f"/api/runs/{row['run_id']}")).json()
    [audit] = page["audits"]
    assert "cairo/risk_engine.cairo:120" == audit["first_mismatch"]["source"]
    assert f'"{1:064x}"' == audit["first_mismatch"]["expected"]
    excerpt = audit["first_mismatch"]["excerpt"]
    assert (120, 117, 7, None) == (
        excerpt["line"],
        excerpt["first"],
        len(excerpt["lines"]),
        excerpt["function"],
    )
    assert {"state": "valid", "key": audit["signed"]["key"]} == audit["signed"]
    assert "verify_evidence.py" in audit["evidence"]["check_command"]
    assert ["mismatch"] == [cell["state"] for cell in page["blocks"]["cells"]]
    checker = await client.get(audit["evidence"]["checker"])
    assert (SCHEMAS / "verify_evidence.py").read_bytes() == checker.content
    evidence = await client.get(audit["evidence"]["download"])
    assert audit["evidence"]["digest"] == sha256_hex(evidence.content)
    assert "attachment" in evidence.headers["content-disposition"]
    assert [("tracer", "wait"), ("prover", "wait"), ("prover", "work"), ("auditor", "work")] == [
        (one["stage"], one["kind"]) for one in page["phases"]
    ]


async def test_loops_are_folded_and_unfold(client: httpx.AsyncClient, world: World) -> None:
    """The top of the tree has one row for a loop's iterations; asked for, they come one by one, with their
    children."""
    runs = (await client.get("/api/runs?limit=250")).json()["rows"]
    big = max(runs, key=lambda row: row["allocations"])
    path = f"/api/runs/{big['run_id']}/spans"
    rows = (await client.get(path)).json()["rows"]
    [folded] = [row for row in rows if row["kind"] == "iterations"]
    assert 60 == folded["iterations"]
    params = {"parent": f"{folded['parent_span_id']}:iterations", "limit": 25}
    found = (await client.get(path, params=params)).json()
    assert [*range(25)] == [row["iteration"] for row in found["rows"]]
    assert "25" == found["next"]
    below = (await client.get(path, params={"parent": found["rows"][0]["span_id"]})).json()["rows"]
    assert {found["rows"][0]["span_id"]} == {row["parent_span_id"] for row in below}
    events = (await client.get(f"/api/runs/{big['run_id']}/events?limit=250")).json()
    assert (big["items"], "250") == (events["total"], events["next"])
    assert (await client.get(f"{path}/at/100")).json()["path"].startswith("main/")
    # The run is padded: nothing of the program's runs at its last step.
    assert (await client.get(f"{path}/at/{big['n_steps'] - 1}")).json() is None


async def test_events_that_are_gone_are_said_to_be(reader: ViewReader, client: httpx.AsyncClient) -> None:
    """A run whose events the topic has lost is shown without them."""
    run = (await reader.runs()).rows[0].run_id
    source = reader._run_events._source
    values, reader._run_events._held = source._values, type(reader._run_events._held)()
    source._values = {}
    try:
        found = (await client.get(f"/api/runs/{run}/spans")).json()
    finally:
        source._values = values
    assert (False, True) == (found["available"], "expired" in found["why"])


async def test_an_id_is_never_anything_but_an_id(client: httpx.AsyncClient) -> None:
    """A hostile allocation id is found, and comes back as it is, as JSON that no browser takes for a page."""
    answer = await client.get(f"/api/allocations/{quote(HOSTILE_ID, safe='')}")
    assert HOSTILE_ID == answer.json()["row"]["allocation_id"]
    assert "application/json" == answer.headers["content-type"]
    assert "nosniff" == answer.headers["x-content-type-options"]
    for query in ("' OR 1=1 --", "%", "_", "\x00", "\\", "😀"):
        found = await client.get("/api/allocations", params={"q": query})
        assert (200, []) == (found.status_code, found.json()["rows"])


async def test_every_answer_tells_browsers_what_they_may(client: httpx.AsyncClient) -> None:
    """Pages, API, errors and redirections alike."""
    for path in (
        "/",
        "/runs",
        "/nothing",
        "/api/runs",
        "/api/nothing",
        "/api/runs?limit=0",
        "/api/openapi.json",
    ):
        headers = (await client.get(path)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert ("DENY", "no-referrer") == (headers["x-frame-options"], headers["referrer-policy"])


async def test_only_its_own_names_are_answered(reader: ViewReader) -> None:
    """A page elsewhere whose name was made to lead here reads nothing."""
    own = ("127.0.0.1:99", "localhost", "[::1]:80", "explorer.example", "EXPLORER.example:1")
    others = ("evil.example", "127.0.0.1.evil.example", "", "[")
    async with client_of(reader, names=["explorer.example"]) as client:
        for host in (*own, *others):
            answer = await client.get("/api/pipeline", headers={"host": host})
            assert (200 if host in own else 403) == answer.status_code, host


async def test_a_token_is_asked_for_and_becomes_a_cookie(reader: ViewReader) -> None:
    """Bearer, address once, cookie from then on; the cookie is not the token, and a wrong one goes nowhere."""
    async with client_of(reader, token=TOKEN, names=None) as client:
        refused = await client.get("/api/runs")
        assert (401, "explorer-token", "Bearer") == (
            refused.status_code,
            refused.json()["code"],
            refused.headers["www-authenticate"],
        )
        assert 401 == (await client.get("/")).status_code
        assert 401 == (await client.get("/events")).status_code
        assert 401 == (await client.get("/api/runs", headers={"authorization": "Bearer wrong"})).status_code
        assert 401 == (await client.get("/api/runs?token=wrong")).status_code
        given = await client.get("/api/runs", headers={"authorization": f"Bearer {TOKEN}"})
        assert 200 == given.status_code
        answer = await client.get("/runs", params={"state": "sealed", "token": TOKEN})
        assert (303, "/runs?state=sealed") == (answer.status_code, answer.headers["location"])
        cookie = answer.headers["set-cookie"]
        assert TOKEN not in cookie
        assert all(one in cookie for one in ("HttpOnly", "SameSite=strict"))
        assert 200 == (await client.get("/api/runs")).status_code
        away = await client.get(f"http://127.0.0.1:8000//evil.example?token={quote(TOKEN)}")
        assert "/evil.example" == away.headers["location"]


def test_it_does_not_start_beyond_loopback_without_a_token(tmp_path: Path) -> None:
    """Nor with one that is guessed at once."""
    common = {"store_url": "memory://", "explorer_dir": tmp_path}
    assert ExplorerSettings(**common).is_local
    for host in ("0.0.0.0", "::", "192.0.2.1", "explorer.example"):  # noqa: S104
        with pytest.raises(ValueError, match="PROOFRAIL_EXPLORER_TOKEN"):
            ExplorerSettings(**common, explorer_host=host)
    with pytest.raises(ValueError, match="16 characters"):
        ExplorerSettings(**common, explorer_host="::", explorer_token="short")


async def test_other_sites_pages_send_nothing(client: httpx.AsyncClient) -> None:
    """A form on another site cannot make the explorer read a file."""
    for headers in ({"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}):
        answer = await client.post("/open", headers=headers)
        assert (403, True) == (answer.status_code, "explorer-origin" in answer.text)


async def test_downloads_are_checked_as_they_are_read(
    client: httpx.AsyncClient, store: ArtifactStore, tmp_path: Path
) -> None:
    """A blob that is not what its name says is not given out."""
    digest = store.put(b"a proof that somebody changes").digest
    assert b"a proof that somebody changes" == (await client.get(f"/api/artifacts/{digest}")).content
    altered(Path(store._path(digest)))
    answer = await client.get(f"/api/artifacts/{digest}")
    assert (500, "artifact-altered") == (answer.status_code, answer.json()["code"])
    for other, status in (("0" * 64, 404), ("../../etc/passwd", 404), ("0" * 63, 400)):
        assert status == (await client.get(f"/api/artifacts/{other}")).status_code


def altered(blob: Path) -> None:
    blob.write_bytes(b"something else")


async def test_a_message_is_shown_as_it_was_published(client: httpx.AsyncClient) -> None:
    """Every place that a page names leads to its line; what is no message says why."""
    page = (await client.get(f"/api/allocations/{quote(HOSTILE_ID, safe='')}")).json()
    for happening in page["history"]:
        place = happening["place"]
        path = "/".join(str(place[name]) for name in ("topic", "partition", "offset", "line"))
        found = (await client.get(f"/api/messages/{path}")).json()
        assert (happening["kind"] == "proposed") == (found["fault"] is not None)


def test_the_document_in_schemas_is_that_of_the_api() -> None:
    """Out of date? `python -m proofrail.explorer.openapi`."""
    assert rendered() == (SCHEMAS / NAME).read_text()


def _queries() -> st.SearchStrategy[tuple[str, dict[str, str]]]:
    """Any address in the document, its parameters anything."""
    described = document()["paths"]
    text = st.text(max_size=30) | st.sampled_from(
        [
            "",
            "0",
            "-1",
            "250",
            "251",
            "MISMATCH",
            "attested",
            "true",
            "WzEsMSwiYSJd",
            "WzEsMSwxXQ",
            "9" * 40,
            "\x00",
        ]
    )
    paths = [path for path in described if path != "/events"]
    names = sorted({one["name"] for path in paths for one in described[path]["get"].get("parameters", [])})

    def address(path: str) -> st.SearchStrategy[str]:
        parts = [part for part in path.split("/") if part.startswith("{")]
        return st.tuples(*(text for _ in parts)).map(
            lambda values: _filled(path, parts, [quote(one, safe="") for one in values])
        )

    return st.tuples(
        st.sampled_from(paths).flatmap(address), st.dictionaries(st.sampled_from(names), text, max_size=4)
    )


def _filled(path: str, parts: list[str], values: list[str]) -> str:
    for part, value in zip(parts, values, strict=True):
        path = path.replace(part, value, 1)
    return path


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=_queries())
async def test_no_query_makes_it_fail(
    transport: httpx.ASGITransport, asked: tuple[str, dict[str, str]]
) -> None:
    """Whatever is asked, the answer is one, or a Problem that says what is wrong with the question."""
    path, params = asked
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
        answer = await client.get(path, params=params)
    assert answer.status_code in (200, 303, 400, 404, 405), (path, params, answer.text)
    if answer.status_code in (400, 404) and path.startswith("/api/"):
        assert {"code", "message", "next_step"} == set(answer.json())


async def test_the_feed_tells_what_was_missed() -> None:
    """From the id that a reader saw last, from now on without one, and `reload` where it cannot tell."""
    feed = Feed(lambda: 1000)
    feed.tell(Changed(runs=[("r", "sealed", "PENDING")], allocations=[("a", "traced")]))
    first = feed.changes(1000)
    kinds = [(await anext(first)) for _ in range(2)]
    assert [("run", 1001), ("allocation", 1002)] == [
        (one.kind, one.id) for one in kinds if isinstance(one, Change)
    ]
    second, lost = feed.changes(1001), feed.changes(7)
    assert 1002 == (await anext(second)).id
    assert "reload" == (await anext(lost)).kind
    feed.tell(Changed(too_many=True))
    assert ["reload"] * 3 == [(await anext(one)).kind for one in (first, second, lost)]
    feed.close()
    assert [] == [one async for one in first]


async def test_a_reader_that_does_not_keep_up_is_cut_off() -> None:
    """Memory is bounded by readers, not by what they leave unread; the others go on."""
    feed = Feed(lambda: 0)
    slow, quick = feed.changes(), feed.changes()
    waiting = [asyncio.ensure_future(anext(one)) for one in (slow, quick)]
    await asyncio.sleep(0)
    for number in range(2000):
        feed.tell(Changed(runs=[(str(number), "sealed", "PENDING")]))
        if number == 0:
            await asyncio.gather(*waiting)
        elif feed.readers == 2 or number < 600:
            await anext(quick)
    assert [] == [one async for one in slow]
    assert feed.readers <= 1


async def test_the_strip_is_told_when_it_changes(reader: ViewReader) -> None:
    """Once at the beginning, then when anything but its time is another."""
    feed = Feed(lambda: 0)
    strip = await reader.pipeline()
    feed.tell_pipeline(strip)
    stream = feed.changes()
    assert strip == await anext(stream)
    following = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    feed.tell_pipeline(strip.model_copy(update={"at_ms": 5}))
    other = strip.model_copy(update={"unreadable": 99})
    feed.tell_pipeline(other)
    assert other == await following


async def test_a_person_is_needed_only_when_one_is(reader: ViewReader) -> None:
    """The prover is gone and runs wait; the tracer and the auditor are there; a run does not hold; one was refused."""
    strip = await reader.pipeline()
    attention = {stage.name: stage.attention for stage in strip.stages}
    assert attention["tracer"] is None
    assert attention["prover"] is not None
    assert attention["prover"].startswith("prover unreachable since ")
    assert attention["prover"].endswith("7 runs waiting; nothing lost")
    assert "does not hold" in str(attention["auditor"])
    assert isinstance(Pipeline.model_validate_json(json.dumps(strip.model_dump(mode="json"))), Pipeline)


async def test_a_method_that_is_none_is_answered_with_those_there_are(client: httpx.AsyncClient) -> None:
    """405 with `Allow`, as RFC 9110 asks, and a problem with its code."""
    answer = await client.request("PUT", "/api/pipeline")
    assert (405, "GET", "explorer-request") == (
        answer.status_code,
        answer.headers["allow"],
        answer.json()["code"],
    )
