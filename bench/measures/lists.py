"""list_p95_ms, list_queries_growth: the lists with 10,000 tenants and 100,000 runs."""

import json
import re
import time

from bench.client import Client
from bench.figures import percentile, say
from bench.portal import BenchFailed, Portal
from bench.queries import query_log
from bench.rig import Rig

FEW, MANY, RUNS = 10, 10_000, 100_000
WARM, REQUESTS = 5, 50
PAGE_SIZE = 50
OPERATOR = "bench-operator"
VISIBLE = 3000


def operators_pages(last: int) -> dict[str, str]:
    """Return the addresses that an operator of one region opens; `last` is the last page."""
    return {
        "tenants first page": "/tenants/",
        "tenants page 50": "/tenants/?page=50",
        "tenants last page": f"/tenants/?page={last}",
        "tenants by name": "/tenants/?sort=-name",
        "tenants by last applied": "/tenants/?sort=-applied,name",
        "tenants, search hits 1 %": "/tenants/?q=Quillota",
        "tenants, search hits nothing": "/tenants/?q=nobody-has-this-name",
        "runs first page": "/runs/",
        "runs page 50": "/runs/?page=50",
        "dashboard": "/",
    }


ADMIN_PAGES = {
    "admin tenants": "/admin/tenants/tenant/",
    "admin tenants page 50": "/admin/tenants/tenant/?p=49",
    "admin tenants, search": "/admin/tenants/tenant/?q=Quillota",
    "admin stacks": "/admin/tenants/stack/",
    "admin runs": "/admin/deployments/run/",
    "admin audit": "/admin/tenants/auditentry/",
}


def seed(portal: Portal, tenants: int, runs: int) -> dict[str, str]:
    """Fill the portal with a fleet on paper; returns the operator's name and password."""
    begun = time.monotonic()
    done = portal.manage(
        "seed_fleet", "--tenants", str(tenants), "--runs", str(runs), "--operator", OPERATOR,
        "--yes", seconds=240,
    )  # fmt: skip
    if done.returncode:
        raise BenchFailed(f"seed_fleet: {done.stderr[-1000:]}")
    say(f"{tenants} tenants, {runs} runs in {time.monotonic() - begun:.0f} s")
    return json.loads(done.stdout.splitlines()[-1])


def check_list(operator: Client) -> None:
    """Refuse to measure a list that is not what the figure means."""
    page = operator.get("/tenants/").text
    links = set(re.findall(r'href="/tenants/(ten_[^/"]+)/', page))
    if len(links) != PAGE_SIZE:
        raise BenchFailed(f"a page has {len(links)} tenants, {PAGE_SIZE} are wanted")
    said = re.sub(r"[^0-9a-z/=?\"]", "", page)
    if str(VISIBLE) not in said:
        raise BenchFailed(f"the list does not say that it has {VISIBLE} tenants")
    found = operator.get("/tenants/?q=Quillota").text
    if "Quillota" not in found or "Quillota" in operator.get("/tenants/?q=nobody-has-this").text:
        raise BenchFailed("the search does not search")


def times_ms(client: Client, path: str) -> list[float]:
    """Return how long each request took, after the warm ones."""
    found = []
    for number in range(WARM + REQUESTS):
        begun = time.perf_counter()
        client.get(path)
        if number >= WARM:
            found.append((time.perf_counter() - begun) * 1000)
    return found


def count_queries(portal: Portal, clients: dict[str, Client], pages: dict) -> dict[str, int]:
    """Return the queries of each page, after a warm request."""
    found = {}
    with query_log(portal) as log:
        for name, (who, path) in pages.items():
            clients[who].get(path)
            found[name] = log.count(lambda w=who, p=path: clients[w].get(p))
    return found


def measure(rig: Rig) -> None:
    """Count queries with 10 tenants, then with 10,000; then take the times."""
    rig.release()
    last = VISIBLE // PAGE_SIZE
    pages = {name: ("operator", path) for name, path in operators_pages(last).items()}
    pages |= {name: ("admin", path) for name, path in ADMIN_PAGES.items()}
    few_pages = {
        name: (who, re.sub(r"([?&])(page|p)=\d+", rf"\1\2={0 if who == 'admin' else 1}", path))
        for name, (who, path) in pages.items()
    }
    with Portal() as portal:
        told = seed(portal, FEW, FEW * 10)
        clients = sign_in(portal, told)
        few = count_queries(portal, clients, few_pages)
        told = seed(portal, MANY, RUNS)
        clients = sign_in(portal, told)
        check_list(clients["operator"])
        many = count_queries(portal, clients, pages)
        found = {name: times_ms(clients[who], path) for name, (who, path) in pages.items()}
    slow = {name: round(percentile(times, 95), 1) for name, times in found.items()}
    usual = {name: round(percentile(times, 50), 1) for name, times in found.items()}
    by = {name: {"p50": usual[name], "p95": slow[name]} for name in pages}
    more = {name: many[name] - few[name] for name in pages}
    for name in pages:
        times = f"p50 {usual[name]} ms, p95 {slow[name]} ms"
        say(f"{name}: {times}, {few[name]} queries, then {many[name]}")
    rig.report.tell("list_p95_ms", [*slow.values()], value=max(slow.values()), by=by)
    rig.report.tell("list_queries_growth", [*more.values()], value=max(more.values()), queries=many)


def sign_in(portal: Portal, told: dict[str, str]) -> dict[str, Client]:
    """Return the two people that look at lists."""
    operator = Client(portal, told["operator"], told["password"])
    return {"operator": operator, "admin": Client(portal)}
