"""An invitation, a security key under the strict policy, and sessions, in a real browser."""

import re

from playwright.sync_api import BrowserContext, Page, expect

PASSWORD = "correct horse battery"
FLEET = re.compile(r":\d+/$")


def keep_keys(context: BrowserContext, page: Page) -> None:
    """Give the browser a security key that touches itself (the protocol's virtual one)."""
    session = context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "usb", "hasResidentKey": True,
               "hasUserVerification": True, "isUserVerified": True,
               "automaticPresenceSimulation": True}  # fmt: skip
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def sign_in(page: Page, name: str, password: str) -> None:
    """Send the sign-in page."""
    page.goto("/sign-in/")
    page.get_by_label("User name or e-mail address").fill(name)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()


def test_a_guest_makes_an_account_and_signs_in_with_a_key(chromium, portal, signed_in):
    signed_in.goto("/invitations/")
    signed_in.get_by_role("link", name="Invite somebody").first.click()
    signed_in.get_by_label("E-mail address").fill("erin@example.com")
    signed_in.get_by_label("Role").select_option("viewer")
    signed_in.get_by_role("button", name="Invite").click()
    told = signed_in.get_by_role("status").filter(has_text="Hand this link").inner_text()
    link = re.search(r"/welcome/\S+", told)[0]

    # A key belongs to a name: browsers refuse it for an IP address.
    context = chromium.new_context(base_url=f"http://localhost:{portal.port}")
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    keep_keys(context, page)
    page.goto(link)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("The same once more").fill(PASSWORD)
    page.get_by_role("button", name="Make my account").click()
    page.wait_for_url(FLEET)
    page.goto("/profile/second-factor/key/")
    page.get_by_label("Name").fill("The blue one")
    page.get_by_role("button", name="Add this key").click()
    expect(page.locator("#recovery-codes li")).to_have_count(10)
    page.goto("/profile/second-factor/")
    expect(page.get_by_text("The blue one")).to_be_visible()

    context.clear_cookies()
    sign_in(page, "erin", PASSWORD)
    expect(page.get_by_role("heading", name="Second step")).to_be_visible()
    page.get_by_role("button", name="Use a security key").click()
    page.wait_for_url(FLEET)
    page.goto("/profile/sessions/")
    expect(page.get_by_text("This one")).to_be_visible()
    context.close()
    assert not complaints
