"""The newcomer's path: `make demo-aws`, and a tenant on AWS is installed and watched in pages."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.portal import PROJECT, free_port, newcomers_environment, wait_for

pytestmark = [
    pytest.mark.aside,
    pytest.mark.browser,
    pytest.mark.portal,
    pytest.mark.provider,
    pytest.mark.timeout(1500),
]
RUN_MS = 600_000
SOON_MS = 60_000
STAGES = ("name democorp.", "port ", "certificate", "GET / → 302")


class Demo:
    """`python -m demo` in a folder of its own, as make starts it."""

    def __init__(self, folder) -> None:
        port, self.var = free_port(), folder / "var"
        self.url, self.lines = f"http://127.0.0.1:{port}", []
        env = newcomers_environment(self.var) | {"PORT": str(port)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "demo", "--folder", str(self.var)],
            cwd=PROJECT, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
        )  # fmt: skip
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        with self.process.stdout as stream:
            self.lines += (line.rstrip() for line in stream)

    @property
    def output(self) -> str:
        """Return what it has said so far."""
        return "\n".join(list(self.lines))

    @property
    def password(self) -> str:
        """Return the admin's password, as it was printed."""
        return re.search(r"Password\s+(\S+)", self.output)[1]

    def stop(self) -> None:
        """Stop it as Ctrl-C does."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(120)
        self.reader.join(10)


@pytest.fixture(scope="module")
def portal(tmp_path_factory):
    """Return a demo that is ready; the test is skipped where the real provider is not."""
    if shutil.which("terraform") is None:
        pytest.skip("NOT PROVED: there is no terraform here, nothing was applied")
    if not os.environ.get("PROVIDER_MIRROR"):
        pytest.skip("NOT PROVED: there is no provider mirror here: set PROVIDER_MIRROR")
    made = Demo(tmp_path_factory.mktemp("demo"))
    try:
        ready = "The demo is ready"
        wait_for(lambda: ready in made.output or made.process.poll() is not None, 240, ready)
        assert made.process.poll() is None, made.output
        yield made
    finally:
        made.stop()
    assert not left_over(made.var), "processes of the demo outlived it"


def left_over(folder) -> list[str]:
    """Return command lines of processes that work in a folder."""
    import psutil

    lines = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
        except psutil.Error:
            continue
        if str(folder) in " ".join(words):
            lines.append(" ".join(words))
    return lines


def status(page):
    """Return the tag beside the run's title."""
    return page.locator(".o-title .o-tag").first


def open_owner(page, section: str, name: str) -> None:
    """Go to a stack's page by the list that the main menu has."""
    page.get_by_role("navigation", name="Main").get_by_role("link", name=section).click()
    page.get_by_role("link", name=name, exact=True).first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(name)


def comes_to(page, wanted: str) -> None:
    """Wait until the run's tag says what is wanted; tell what went wrong as soon as it does."""
    words = re.compile(f"{wanted}|Errored|Canceled|Discarded|Lost")
    expect(status(page)).to_contain_text(words, timeout=RUN_MS)
    if wanted not in status(page).inner_text():
        log = page.get_by_role("log").inner_text()[-4000:]
        pytest.fail(f"{wanted} is wanted:\n{page.locator('main').inner_text()[:4000]}\n…\n{log}")


def plan(page, action: str, reason: str, fill: Callable[[], None] = lambda: None) -> None:
    """Open an action, give a reason and what else it asks for, and wait for the plan."""
    page.get_by_role("link", name=action, exact=True).first.click()
    page.get_by_label("Reason").fill(reason)
    fill()
    page.locator(".o-submit button").click()
    page.wait_for_url(re.compile(r"/runs/run_"))
    page.evaluate("window.stayed = true")
    comes_to(page, "Waiting for confirmation")


def apply(page, button: str, done: str) -> None:
    """Confirm the plan and watch until Terraform has applied it."""
    page.get_by_role("button", name=button).click()
    expect(status(page)).to_contain_text("Applying", timeout=SOON_MS)
    expect(page.get_by_role("log")).to_contain_text(done, timeout=RUN_MS)
    expect(status(page)).to_contain_text(re.compile("Applied|Errored|Verifying"), timeout=RUN_MS)


def ready(page) -> None:
    """Watch the tenant answer, stage by stage, on a page that was never loaded again."""
    stages = page.locator("#calls .o-phases").last.locator("li")
    for number, name in enumerate(STAGES):
        expect(stages.nth(number)).to_contain_text(name, timeout=RUN_MS)
        expect(stages.nth(number)).to_have_attribute("data-tone", "ok", timeout=RUN_MS)
    comes_to(page, "Applied")
    assert page.evaluate("window.stayed"), "the page was loaded again meanwhile"


def test_a_newcomer_installs_resizes_and_destroys_a_tenant_on_aws(signed_in, portal, capsys):
    page, began = signed_in, time.monotonic()

    def told(what: str) -> None:
        with capsys.disabled():
            print(f"\n  {what:<34} {time.monotonic() - began:6.1f} s", end="")

    open_owner(page, "Environments", "shareddemo")
    plan(page, "Install", "the demo's network")
    apply(page, "Confirm & apply", "Creation complete")
    comes_to(page, "Applied")
    told("the environment stands after")

    open_owner(page, "Tenants", "democorp")
    plan(page, "Install", "the first customer")
    # The plan is readable: rows, and what stands in them.
    database = page.locator("details.o-res", has_text="aws_db_instance").first
    database.locator("summary").click()
    expect(database).to_contain_text("engine_version")
    apply(page, "Confirm & apply", "Creation complete")
    ready(page)
    log = page.get_by_role("log")
    for words in ("Connection refused", "GET / → 302: not yet: 503", "GET / → 302: 302"):
        expect(log).to_contain_text(words)
    told("the tenant is in service after")

    open_owner(page, "Tenants", "democorp")
    expect(page.locator("main")).to_contain_text("In service")
    expect(page.locator("main")).to_contain_text("https://democorp.demo.example.net")
    size = page.locator("[name=in-ec2_asterisk_size]")
    plan(page, "Resize", "more calls", lambda: size.select_option("t3.medium"))
    apply(page, "Confirm & apply", "Modifications complete")
    ready(page)
    told("its Asterisk is larger after")

    open_owner(page, "Tenants", "democorp")
    name = page.locator("[name=typed_name]").first
    page.locator("summary[aria-label=More]").click()
    plan(page, "Destroy…", "the end", lambda: name.fill("democorp"))
    name.fill("democorp")
    page.locator("#confirm").get_by_role("checkbox").check()
    apply(page, "Destroy democorp", "Destruction complete")
    comes_to(page, "Applied")
    told("nothing of it is left after")
    open_owner(page, "Tenants", "democorp")
    expect(page.locator("main")).not_to_contain_text("In service")
