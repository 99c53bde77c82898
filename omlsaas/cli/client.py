"""Requests to the API, with their refusals as words."""

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx

from omlsaas.cli.config import Access
from omlsaas.cli.errors import Trouble

TIMEOUT_S = 60
TRIES = 5


class Portal:
    """The API of one portal."""

    def __init__(self, access: Access) -> None:
        parts = urlsplit(access.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Trouble(f"“{access.url}” is no address such as https://portal.example.com.")
        headers = {"Authorization": f"Bearer {access.token}", "User-Agent": "omlsaas-cli"}
        # No redirects: the token goes to the named portal alone.
        self._http = httpx.Client(
            base_url=f"{access.url}/api/v1", headers=headers, timeout=TIMEOUT_S
        )

    def __enter__(self) -> "Portal":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, **params: Any) -> httpx.Response:
        """Return an answer; what can be asked again is asked again while the portal restarts."""
        for left in range(TRIES, 0, -1):
            try:
                answer = self._http.get(path, params=params or None)
            except httpx.TransportError as error:
                if left == 1:
                    raise Trouble(f"The portal does not answer: {error}") from error
                time.sleep(TRIES - left + 1)
                continue
            if answer.status_code == 429 and left > 1:
                time.sleep(min(int(answer.headers.get("Retry-After", "1")), 60))
                continue
            if answer.status_code in (502, 503, 504) and left > 1:
                time.sleep(TRIES - left + 1)
                continue
            return checked(answer)
        raise AssertionError("unreachable")

    def post(self, path: str, body: dict[str, Any], **headers: str) -> dict[str, Any]:
        """Return the answer to what changes something; it is sent once."""
        try:
            answer = self._http.post(path, json=body, headers=headers)
        except httpx.TransportError as error:
            raise Trouble(f"The portal does not answer: {error}") from error
        return checked(answer).json()

    def items(self, path: str, most: int, **params: Any) -> Iterator[dict[str, Any]]:
        """Yield up to `most` things of a list, page by page."""
        params["limit"] = min(most, 200)
        left = most
        while left > 0:
            page = self.get(path, **params).json()
            yield from page["items"][:left]
            left -= len(page["items"])
            following = page.get("next")
            if not following:
                return
            params["cursor"] = httpx.URL(following).params["cursor"]


def checked(answer: httpx.Response) -> httpx.Response:
    """Return an answer that went well. Raises Trouble with the portal's own sentence."""
    if answer.is_success:
        return answer
    try:
        told = answer.json()
        text = told["detail"]
        for name, why in (told.get("errors") or {}).items():
            text += f"\n  {name}: {why}"
    except (ValueError, KeyError, TypeError):
        text = f"The portal answered {answer.status_code}. Is the address that of a portal?"
    raise Trouble(text, 2 if answer.status_code in (400, 401, 403, 404, 422) else 1)
