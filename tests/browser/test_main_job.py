"""The main job as a person does it: change, plan, read, confirm, watch; cancel; look it up."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.portal]
SLOW = 60_000


def open_tenant(page, name: str) -> None:
    """Go from the fleet to a tenant by the list."""
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Tenants").click()
    page.get_by_role("link", name=name, exact=True).first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(name)


def status(page):
    """Return the tag beside the run's title."""
    return page.locator(".o-title .o-tag").first


def start(page, action: str, **values: str) -> None:
    """Open an action of the tenant at hand, change inputs, give a reason, queue it."""
    page.get_by_role("link", name=action, exact=True).first.click()
    for label, value in values.items():
        page.get_by_label(label.replace("_", " "), exact=False).first.fill(value)
    page.get_by_label("Reason").fill("CHG-77: agreed with Carla")
    page.locator(".o-submit button").click()
    page.wait_for_url(re.compile(r"/runs/run_"))


def test_install_is_planned_read_confirmed_and_watched_to_its_last_line(signed_in):
    page = signed_in
    open_tenant(page, "globex")
    start(page, "Install", Simultaneous_calls="75", Application_version="2.4.1")
    expect(status(page)).to_contain_text("Waiting for confirmation", timeout=SLOW)
    # The plan is readable: counters, rows, and what stands in them.
    expect(page.locator(".o-counts")).to_contain_text("20")
    database = page.locator("details.o-res", has_text="database.")
    database.first.locator("summary").click()
    expect(database.first).to_contain_text("engine")
    page.get_by_label("Comment").fill("yes")
    page.get_by_role("button", name="Confirm & apply").click()
    expect(status(page)).to_contain_text("Applied", timeout=SLOW)
    # No reload happened: the last line came over the websocket.
    expect(page.get_by_role("log")).to_contain_text("Apply complete! Resources: 20 added")
    open_tenant(page, "globex")
    expect(page.locator("main")).to_contain_text("In service")
    expect(page.locator("main")).to_contain_text("https://globex.")


def test_a_run_is_canceled_and_the_audit_trail_tells_who_and_why(signed_in, portal):
    page = signed_in
    open_tenant(page, "acme")
    start(page, "Install", Delay="20000")
    expect(status(page)).to_contain_text("Waiting for confirmation", timeout=SLOW)
    page.get_by_role("button", name="Confirm & apply").click()
    expect(status(page)).to_contain_text("Applying", timeout=SLOW)
    page.get_by_role("link", name=re.compile("Cancel run")).click()
    panel = page.locator("#cancel")
    panel.get_by_role("textbox").first.fill("wrong window")
    panel.get_by_role("button", name=re.compile("Cancel run")).click()
    expect(status(page)).to_contain_text("Canceled", timeout=SLOW)
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Audit").click()
    trail = page.locator("main")
    for words in ("wrong window", "CHG-77: agreed with Carla", "acme", "admin"):
        expect(trail).to_contain_text(words)


def test_another_browser_sees_it_move_without_a_reload(signed_in, portal):
    page = signed_in
    page.goto("/runs/")
    page.evaluate("window.stayed = true")
    queued = portal.manage("run_action", "globex", "plan", "--reason", "from a shell", "--json")
    assert queued.returncode == 0, queued.stdout + queued.stderr
    expect(page.locator("main")).to_contain_text("from a shell", timeout=SLOW)
    assert page.evaluate("window.stayed")


def test_a_stacks_title_moves_with_the_rest_of_its_page(signed_in, portal):
    page = signed_in
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Environments").click()
    page.get_by_role("link", name="sharedlab", exact=True).click()
    expect(status(page)).to_contain_text("In service")
    page.evaluate("window.stayed = true")
    change = ("change", "--set", "rtpengine_nodes=3")
    queued = portal.manage("run_action", "sharedlab", *change, "--json")
    assert queued.returncode == 0, queued.stdout + queued.stderr
    expect(status(page)).to_contain_text("To confirm", timeout=SLOW)
    assert page.evaluate("window.stayed")
    page.get_by_role("link", name="Review plan").click()
    page.get_by_role("button", name="Discard plan").click()
    expect(status(page)).to_contain_text("Discarded", timeout=SLOW)


def test_a_list_after_the_session_has_ended_goes_to_sign_in(signed_in):
    page = signed_in
    page.goto("/tenants/")
    page.context.clear_cookies()
    page.get_by_label("Name or customer").fill("acme")
    page.wait_for_url(re.compile(r"/sign-in/\?next=/tenants/"))
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()


def test_sign_in_fits_a_telephone(chromium, portal):
    context = chromium.new_context(base_url=portal.url, viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto("/sign-in/")
    for part in (page.get_by_label("Password", exact=True), page.get_by_role("heading")):
        box = part.first.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 390
    context.close()


def test_it_works_without_javascript(chromium, portal):
    context = chromium.new_context(base_url=portal.url, java_script_enabled=False)
    page = context.new_page()
    page.goto("/sign-in/")
    page.get_by_label("User name or e-mail address").fill("admin")
    page.get_by_label("Password", exact=True).fill(portal.password)
    page.get_by_role("button", name="Sign in").click()
    page.goto("/tenants/")
    page.get_by_role("link", name="globex", exact=True).first.click()
    page.get_by_role("link", name="Plan only").first.click()
    page.locator(".o-submit button").click()
    for _ in range(60):
        page.reload()
        if "Plan finished" in page.content() or "No changes" in page.content():
            break
        page.wait_for_timeout(500)
    assert "Terraform has been successfully initialized!" in page.content()
    context.close()
