"""api_tenants_page_p95_ms, api_token_check_ms: a program that walks through 10,000 tenants."""

import json
import time

import httpx

from bench.figures import percentile, say
from bench.measures.lists import MANY, seed
from bench.portal import BenchFailed, Portal
from bench.rig import Rig

LIMIT = 100
WALKS = 2
# Done inside the portal, since from outside a check cannot be told from its request.
CHECKS = """
import json, time
from datetime import timedelta
from django.conf import settings
from django.utils import timezone
from api import rates
from tenants import actors, tokens
from tenants.models import User
owner = User.objects.get(username="{owner}")
_, text = tokens.create_token(
    actors.from_user(owner, origin="bench"), owner, name="bench", kinds=["view"],
    expires_at=timezone.now() + timedelta(days=1),
)
found = []
for number in range(550):
    begun = time.perf_counter()
    rates.refuse_full("refused-address", "bench", settings.API_RATE_REFUSED)
    tokens.owner_of(text, "127.0.0.1")
    rates.count("token", "bench", 10**6)
    if number >= 50:
        found.append((time.perf_counter() - begun) * 1000)
print(json.dumps({{"token": text, "ms": found}}))
"""


def walk(portal: Portal, token: str) -> list[float]:
    """Return how long each page took, from the first to the last one."""
    headers = {"Authorization": f"Bearer {token}"}
    times, seen, path = [], set(), f"{portal.url}/api/v1/tenants?limit={LIMIT}"
    with httpx.Client(headers=headers, timeout=30) as client:
        while path:
            begun = time.perf_counter()
            answer = client.get(path)
            times.append((time.perf_counter() - begun) * 1000)
            if answer.status_code != 200:
                raise BenchFailed(f"{path}: {answer.status_code} {answer.text[:300]}")
            page = answer.json()
            seen |= {tenant["id"] for tenant in page["items"]}
            path = page["next"]
    # The lab that every portal begins with has tenants of its own.
    if len(seen) < MANY:
        raise BenchFailed(f"the pages held {len(seen)} tenants, {MANY} are wanted")
    return times


def measure(rig: Rig) -> None:
    """Time the check of a token, then the pages of all tenants."""
    rig.release()
    with Portal(API_RATE_TOKEN="1000000", API_RATE_ADDRESS="1000000") as portal:
        seed(portal, MANY, MANY)
        done = portal.manage("shell", "--no-imports", "-c", CHECKS.format(owner="admin"))
        if done.returncode:
            raise BenchFailed(f"the check of tokens: {done.stderr[-1000:]}")
        told = json.loads(done.stdout.splitlines()[-1])
        walk(portal, told["token"])
        times = [each for _ in range(WALKS) for each in walk(portal, told["token"])]
    slow = percentile(times, 95)
    say(f"{len(times)} pages of {LIMIT}: p50 {percentile(times, 50):.1f} ms, p95 {slow:.1f} ms")
    usual = {"p50": round(percentile(times, 50), 1), "worst": round(max(times), 1)}
    rig.report.tell("api_tenants_page_p95_ms", [slow], value=slow, **usual)
    checks = told["ms"]
    say(f"token check: p50 {percentile(checks, 50):.2f}, p95 {percentile(checks, 95):.2f} ms")
    summary = {"p95": round(percentile(checks, 95), 3)}
    rig.report.tell("api_token_check_ms", [percentile(checks, 50)], **summary)
