"""A real Chromium against a real portal."""

import os
import shutil

import pytest
from playwright.sync_api import sync_playwright

from tests.portal import Portal


@pytest.fixture(scope="session")
def chromium():
    """Return a headless Chromium; without one the test is skipped and says so."""
    path = os.environ.get("CHROMIUM") or ""
    if not path:
        pytest.skip("NOT PROVED: there is no Chromium here, the pages were not driven")
    arguments = ["--disable-gpu", "--no-first-run", "--disable-background-networking"]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def portal(tmp_path_factory):
    """Return a portal as `make run` starts it, with sharedlab installed."""
    if shutil.which("terraform") is None:
        pytest.skip("NOT PROVED: there is no terraform here, nothing was applied")
    made = Portal(tmp_path_factory.mktemp("browser"))
    try:
        made.start()
        done = made.manage(
            "run_action", "sharedlab", "install", "--set", "delay_ms=0", "--confirm", "--wait",
            "--timeout", "90",
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr + made.output
        yield made
    finally:
        made.stop()


@pytest.fixture
def page(chromium, portal):
    """Return a page of a new browser; what it complains of fails the test."""
    context = chromium.new_context(base_url=portal.url, viewport={"width": 1440, "height": 1000})
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        lambda message: complaints.append(message.text) if message.type == "error" else None,
    )
    yield page
    context.close()
    assert not complaints


@pytest.fixture
def signed_in(page, portal):
    """Return the page of the admin, on the fleet."""
    page.goto("/sign-in/")
    page.get_by_label("User name or e-mail address").fill("admin")
    page.get_by_label("Password", exact=True).fill(portal.password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/")
    return page
