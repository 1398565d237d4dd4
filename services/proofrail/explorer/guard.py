"""What stands before every answer: who may ask, under which name, and what browsers may do with it."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Collection
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from proofrail.explorer.model.answers import Problem

Refusal = Callable[[Request, int, Problem], Response]

_COOKIE: Final = "proofrail_explorer"
_COOKIE_S: Final = 30 * 24 * 3600
_TOKEN: Final = "token"  # noqa: S105
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_HEADERS: Final = {
    # Everything a page needs is a file of this service; nothing is inline, and nobody may frame it.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


class Guard:
    """ASGI middleware. `names`: the hosts that may be asked for, None for any."""

    def __init__(
        self, app: ASGIApp, *, token: str | None, names: Collection[str] | None, refusal: Refusal
    ) -> None:
        self._app = app
        self._token = token
        self._cookie = None if token is None else _derived(token)
        self._names = None if names is None else frozenset(name.lower() for name in names) | _LOOPBACK
        self._refusal = refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
                headers["server-timing"] = f"total;dur={(time.perf_counter() - began) * 1000:.1f}"
            await send(message)

        request = Request(scope, receive)
        answer = self._refused(request) or self._login(request)
        await (answer or self._app)(scope, receive, with_headers)

    def _refused(self, request: Request) -> Response | None:
        """What is said to a request that is not let in."""
        if self._names is not None and _host(request.headers.get("host", "")) not in self._names:
            # A name of somebody else's that leads here is how a page elsewhere would read what is served locally.
            return self._say(
                "explorer-host",
                request,
                403,
                "this name is none of this explorer's",
                "Use http://127.0.0.1:PORT, or set PROOFRAIL_EXPLORER_NAMES",
            )
        if request.method not in ("GET", "HEAD", "OPTIONS") and not _same_origin(request.headers):
            return self._say(
                "explorer-origin", request, 403, "the request comes from another site's page", None
            )
        if self._token is not None and not self._known(request):
            return self._say(
                "explorer-token",
                request,
                401,
                "this explorer asks for a token",
                "Open its address with ?token=… once, or send it as `Authorization: Bearer …`",
            )
        return None

    def _known(self, request: Request) -> bool:
        if self._token is None or self._cookie is None:
            return True
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and _equal(given.strip(), self._token):
            return True
        if _equal(_cookie_in(request), self._cookie):
            return True
        return request.method == "GET" and _equal(request.query_params.get(_TOKEN, ""), self._token)

    def _login(self, request: Request) -> Response | None:
        """A token in an address becomes a cookie, and goes from the address."""
        if self._cookie is None or _TOKEN not in request.query_params or request.method != "GET":
            return None
        rest = [(name, value) for name, value in request.query_params.multi_items() if name != _TOKEN]
        path = "/" + request.url.path.lstrip("/")
        answer = RedirectResponse(f"{path}{'?' if rest else ''}{urlencode(rest)}", 303)
        answer.set_cookie(
            _COOKIE,
            self._cookie,
            max_age=_COOKIE_S,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return answer

    def _say(self, code: str, request: Request, status: int, message: str, next_step: str | None) -> Response:
        answer = self._refusal(request, status, Problem(code=code, message=message, next_step=next_step))
        if status == 401:
            answer.headers["www-authenticate"] = "Bearer"
        return answer


def _derived(token: str) -> str:
    """What the cookie holds: not the token itself, which its owner may use elsewhere."""
    return hmac.new(token.encode(), b"proofrail/explorer/cookie/v1", hashlib.sha256).hexdigest()


def _equal(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), expected.encode())


def _cookie_in(request: Request) -> str:
    try:
        found = SimpleCookie(request.headers.get("cookie", "")).get(_COOKIE)
    except CookieError:
        return ""
    return "" if found is None else found.value


def _host(header: str) -> str:
    """The name in a Host header, without its port."""
    try:
        return (urlsplit(f"//{header}").hostname or "").lower()
    except ValueError:
        return ""


def _same_origin(headers: Headers) -> bool:
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("host")
