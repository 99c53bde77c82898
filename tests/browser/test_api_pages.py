"""Tokens made on their page, and the browsable page of the API under our content policy."""

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.portal]


def test_a_token_is_made_shown_once_and_opens_the_api(signed_in, portal):
    page = signed_in
    page.goto("/profile/")
    page.get_by_role("link", name="API tokens").click()
    page.get_by_role("link", name="New token").first.click()
    page.get_by_label("Name", exact=True).fill("nightly")
    page.get_by_role("button", name="Make token").click()
    text = page.locator("pre").inner_text().strip()
    headers = {"Authorization": f"Bearer {text}"}
    told = page.request.get("/api/v1/me", headers=headers).json()
    assert told["kinds"] == ["view"]
    page.goto("/profile/tokens/")
    expect(page.locator("tbody")).to_contain_text("nightly")
    assert text not in page.content()


def test_the_browsable_page_asks_with_the_session(signed_in):
    page = signed_in
    page.goto("/api/v1/docs")
    operation = page.locator("#operations-me-get_me")
    operation.click(timeout=30_000)
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    expect(operation.locator(".live-responses-table")).to_contain_text('"role": "admin"')
