"""What nobody types by accident: odd characters, huge numbers, markup, a session that has ended."""

from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client
from django.urls import reverse

from deployments.runstatus import RunStatus
from tenants.models import User
from tests import factories

pytestmark = pytest.mark.django_db
MARKUP = "<img src=x onerror=alert(1)>"
ODD = ("\x00", "a\x00b", "' OR 1=1 --", "%_\\", "\u202eevil", "🎧" * 50, MARKUP, "x" * 10_000,
       "acme #" + "9" * 5000, "#" + "9" * 12)  # fmt: skip
LISTS = ("tenants", "environments", "regions", "runs", "releases", "audit", "search")
ADMIN_LISTS = ("deployments_run", "tenants_tenant", "tenants_auditentry", "deployments_runevent")


@pytest.fixture
def admin(db: None) -> User:
    return factories.make_user("dana", role="admin")


@pytest.fixture
def browser(admin: User) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(admin)
    return client


@pytest.fixture
def run() -> Any:
    tenant = factories.make_tenant("acme", title=MARKUP, labels={MARKUP: MARKUP})
    return factories.make_run(tenant, RunStatus.PLANNED, reason=MARKUP)


@pytest.mark.parametrize("name", LISTS)
def test_odd_words_are_looked_for_or_refused(browser: Client, run: Any, name: str):
    for word in ODD:
        for key in ("q", "label", "actor", "stack", "sort", "page", "tenant", "region", "since"):
            response = browser.get(reverse(name), {key: word})
            assert response.status_code in (200, 302, 400), (key, word[:20])
            assert MARKUP not in response.content.decode()


@pytest.mark.parametrize("name", ADMIN_LISTS)
def test_odd_words_are_looked_for_in_the_administration(browser: Client, run: Any, name: str):
    for word in ODD:
        for key in ("q", "o", "p", "e"):
            response = browser.get(reverse(f"admin:{name}_changelist"), {key: word})
            assert response.status_code in (200, 302, 400), (key, word[:20])
            assert MARKUP not in response.content.decode()


@pytest.mark.parametrize(
    "path", ["tenants/{}/", "runs/{}/", "runs/{}/log", "stacks/{}/", "states/{}/", "regions/{}/",
             "environments/{}/", "admin/tenants/tenant/{}/change/"],
)  # fmt: skip
def test_odd_ids_name_nothing(browser: Client, path: str):
    for word in ODD:
        response = browser.get("/" + path.format(quote(word, safe="")))
        assert response.status_code in (302, 400, 404), word[:20]
        text = response.content.decode()
        assert MARKUP not in text
        if response.status_code == 400:
            assert "did not arrive in one piece" in text


def test_a_comment_that_no_text_can_hold_is_refused_and_nothing_done(browser: Client, run: Any):
    response = browser.post(reverse("run_discard", args=[run.public_id]), {"comment": "a\x00b"})
    run.refresh_from_db()
    assert (response.status_code, run.status) == (400, RunStatus.PLANNED)


def test_markup_in_names_reasons_and_labels_is_text(browser: Client, run: Any):
    tenant = reverse("tenant", args=[run.stack.tenant.public_id])
    page = reverse("run", args=[run.public_id])
    for address in ("/", "/tenants/", "/runs/", tenant, page):
        text = browser.get(address).content.decode()
        assert MARKUP not in text, address
    assert "&lt;img src=x" in browser.get(tenant).content.decode()


@pytest.mark.parametrize("name", ["dashboard", "tenants", "runs", "audit"])
def test_a_fragment_after_the_session_has_ended_has_the_whole_page_go_to_sign_in(name: str):
    response = Client().get(reverse(name), headers={"HX-Request": "true"})
    assert (response.status_code, response["HX-Refresh"], response.content) == (200, "true", b"")
    assert Client().get(reverse(name)).status_code == 302


def test_a_look_up_in_json_that_no_json_can_hold_is_a_bad_look_up(browser: Client, run: Any):
    response = browser.get("/admin/deployments/run/", {"actor": "a\x00b"})
    assert (response.status_code, response["Location"]) == (302, "/admin/deployments/run/?e=1")
