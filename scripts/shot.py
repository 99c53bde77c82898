"""Make the pictures of the README from a running portal: `make shot`."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from playwright.sync_api import Page, sync_playwright  # noqa: E402

from tests.portal import Portal  # noqa: E402 the project has to be on the path first

PICTURES = PROJECT / "docs" / "pictures"
SIZE = {"width": 1440, "height": 1080}


def install(portal: Portal, stack: str, *pairs: str, wait: bool = True) -> str:
    """Install a stack by command; return the run's id."""
    given = [part for pair in pairs for part in ("--set", pair)]
    waiting = ["--wait", "--timeout", "120"] if wait else []
    done = portal.manage(
        "run_action", stack, "install", *given, "--confirm", "--json",
        "--reason", "CHG-2291: new customer, window 14:00–15:00", *waiting,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return json.loads(done.stdout)["run_id"]


def sign_in(page: Page, portal: Portal) -> None:
    """Sign in as the admin whose password the portal printed."""
    page.goto(f"{portal.url}/sign-in/")
    page.fill("[name=username]", "admin")
    page.fill("[name=password]", portal.password)
    page.press("[name=password]", "Enter")
    page.wait_for_url(f"{portal.url}/")


def main() -> None:
    """Start a portal, apply the lab in it, and photograph an apply at work."""
    script = Path(__file__).with_name("chromium.sh")
    browser_path = subprocess.run([script], stdout=subprocess.PIPE, text=True).stdout.strip()
    if not browser_path:
        raise SystemExit("There is no Chromium here: install one, or name it in CHROMIUM.")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        portal = Portal(Path(folder).resolve())
        try:
            portal.start()
            install(portal, "sharedlab", "delay_ms=0")
            install(portal, "globex", "delay_ms=300")
            run_id = install(portal, "acme", "delay_ms=1500", wait=False)
            browser = playwright.chromium.launch(
                executable_path=browser_path, args=["--no-sandbox"] if os.geteuid() == 0 else []
            )
            page = browser.new_page(viewport=SIZE, color_scheme="light")
            sign_in(page, portal)
            page.goto(f"{portal.url}/runs/{run_id}/")
            page.get_by_text("Applying").first.wait_for()
            page.wait_for_timeout(4500)
            PICTURES.mkdir(exist_ok=True)
            page.screenshot(path=PICTURES / "portal.png")
            browser.close()
        finally:
            portal.stop()


if __name__ == "__main__":
    main()
