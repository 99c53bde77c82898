"""probe.http: wait until what was built answers."""

import http.client
import ssl
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.utils.translation import gettext_lazy as _

from deployments.errors import ProbeFailed
from deployments.steps import Piece, StepKind, register
from deployments.work import Work
from tenants import blueprints

PAUSE_S = 3.0


def _probe(work: Work, params: Mapping[str, Any]) -> None:
    outputs = {name: output.get("value") for name, output in work.stack.outputs.items()}
    context = {"outputs": outputs, "inputs": work.run.inputs, "stack": {"name": work.stack.name}}
    url = blueprints.render(params["url"], context)
    if not url:
        return
    wanted = int(params.get("status", 200))
    until = time.monotonic() + float(params.get("timeout_s", 600))
    answer = ""
    while True:
        answer = ask(url, is_verified=bool(params.get("verify_tls", True)))
        if answer == str(wanted):
            return
        if time.monotonic() > until:
            raise ProbeFailed(url=url, wanted=wanted, answer=answer)
        work.pause(PAUSE_S)


def ask(url: str, *, is_verified: bool = True, timeout_s: float = 10) -> str:
    """Return the status of a GET as text, or the words of the failure. Follows no redirect."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "not an http address"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        if parts.scheme == "https":
            context = ssl.create_default_context()
            if not is_verified:
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection = http.client.HTTPSConnection(
                parts.hostname, parts.port, timeout=timeout_s, context=context
            )
        else:
            connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout_s)
        try:
            connection.request("GET", path, headers={"User-Agent": "omlsaas-probe"})
            return str(connection.getresponse().status)
        finally:
            connection.close()
    except (OSError, http.client.HTTPException) as problem:
        return str(problem) or type(problem).__name__


register(
    StepKind(
        name="probe.http",
        phase="verify",
        pieces=(Piece("probe.http", _("Wait for an answer"), call=_probe),),
        params={"url": str, "status": int, "timeout_s": int, "verify_tls": bool},
        cancel="stops at the next try",
        resume="begins again",
    )
)
