"""log_page_ms, log_tab_mb: a finished log of 50 MB in Chromium."""

import os
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil
from playwright.sync_api import Browser, Locator, Page, sync_playwright

from bench.client import Client
from bench.figures import say
from bench.lab import Lab
from bench.loglines import lost_and_twice
from bench.measures.burst import stored
from bench.portal import PROJECT, BenchFailed
from bench.rig import Rig

LINES, JUMP_TO, WORD_AT = 600_000, 300_000, 310_000
REPEATS = 5
# A line is seen when it is in the pane's visible part.
IS_SEEN = """(number) => {
    const row = document.getElementById(`L${number}`);
    const pane = document.querySelector('.o-log');
    if (!row || !pane || !document.querySelector('#log.is-enhanced')) return false;
    const a = row.getBoundingClientRect(), b = pane.getBoundingClientRect();
    return a.height > 0 && a.bottom > b.top && a.top < b.bottom;
}"""


def find_browser() -> str:
    """Return the path of a Chromium, installed if that is allowed; raises BenchFailed."""
    script = PROJECT / "scripts" / "chromium.sh"
    found = subprocess.run([script], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    if not found:
        raise BenchFailed("there is no Chromium here: install one, or name it in CHROMIUM")
    return found


@dataclass(frozen=True)
class BigLog:
    """A finished run's log: how many lines, a word that stands in it once, and in which line."""

    run_id: str
    total: int
    word: str
    word_line: int


def make_log(lab: Lab) -> BigLog:
    """Make a run with 600,000 lines, and wait until its log is compacted."""
    run_id = lab.start("logpage", flood_lines=LINES, flood_line_ms=0, flood_id="buffered")
    lab.client.wait_end(run_id, 120, 0.5)
    log = lab.client.log(run_id)
    if any(lost_and_twice(log, LINES)):
        raise BenchFailed("the log is not whole")
    start = log.index(f" {WORD_AT:07d} ".encode())
    line = log[start : log.index(b"\n", start)]
    word = line.split(b", id ")[1].split(b",")[0].decode()
    if log.count(word.encode()) != 1:
        raise BenchFailed(f"{word} stands in the log more than once")
    # Who opens a finished log does so once it is compacted.
    stored(lab, run_id)
    return BigLog(run_id, log.count(b"\n"), word, log.count(b"\n", 0, start) + 1)


def timed(page: Page, act: Callable[[], object], number: int) -> float:
    """Return the milliseconds from an act until a line is seen."""
    begun = time.perf_counter()
    act()
    page.wait_for_function(IS_SEEN, arg=number, timeout=30_000, polling=5)
    return (time.perf_counter() - begun) * 1000


def visit(browser: Browser, client: Client, log: BigLog) -> dict[str, float]:
    """Return what one visit of the log took: three times, and the tab's memory at the end."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    context.add_cookies(
        [
            {"name": name, "value": value, "url": client.portal.url}
            for name, value in client.http.cookies.items()
        ]
    )
    page = context.new_page()
    address = f"{client.portal.url}/runs/{log.run_id}/"
    field = page.locator("[data-log-search] input[name=q]")
    try:
        return {
            "open": timed(page, lambda: page.goto(address), log.total),
            "jump": timed(page, lambda: page.evaluate(f"location.hash = 'L{JUMP_TO}'"), JUMP_TO),
            "search": timed(page, lambda: search(field, log.word), log.word_line),
            "mb": tab_mb(browser),
        }
    finally:
        context.close()


def search(field: Locator, word: str) -> None:
    """Type the word and press Enter."""
    field.fill(word)
    field.press("Enter")


def tab_mb(browser: Browser) -> float:
    """Return the memory of the largest renderer, in MB."""
    session = browser.new_browser_cdp_session()
    try:
        shown = session.send("SystemInfo.getProcessInfo")["processInfo"]
    finally:
        session.detach()
    pids = [process["id"] for process in shown if process["type"] == "renderer"]
    return max(psutil.Process(pid).memory_full_info().pss / 1e6 for pid in pids)


def measure(rig: Rig) -> None:
    """Visit the log five times, each time with an empty cache."""
    lab = rig.fake
    log = make_log(lab)
    found: dict[str, list[float]] = {"open": [], "jump": [], "search": [], "mb": []}
    with sync_playwright() as player:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = player.chromium.launch(executable_path=find_browser(), args=arguments)
        try:
            for _ in range(REPEATS):
                for name, value in visit(browser, lab.client, log).items():
                    found[name].append(value)
        finally:
            browser.close()
    medians = {name: statistics.median(found[name]) for name in ("open", "jump", "search")}
    say(", ".join(f"{name} {value:.0f} ms" for name, value in medians.items()))
    by = {name: [round(value) for value in found[name]] for name in medians}
    rig.report.tell("log_page_ms", [*medians.values()], value=max(medians.values()), by=by)
    rig.report.tell("log_tab_mb", found["mb"])
