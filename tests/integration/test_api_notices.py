"""Inbox, subscriptions and channels through the API."""

import pytest
from django.utils import timezone

from notices import services
from notices.fanout import make_delivery
from notices.models import Channel, Delivery, Notice, Subscription
from tenants import actors, secrets
from tenants.models import AuditEntry
from tests import factories
from tests.integration.apicalls import caller

pytestmark = pytest.mark.django_db
SYSTEM = actors.system("test")
WEBHOOK = {"name": "ops", "kind": "webhook", "url": "https://hooks.example.com/a-secret-path"}


@pytest.fixture
def admin(settings):
    return caller(settings, factories.make_user("ada", role="admin"))


def test_ones_own_notices_are_listed_and_marked(settings):
    vera, other = factories.make_user("vera", role="viewer"), factories.make_user("otto")
    ask = caller(settings, vera)
    for user in (vera, vera, other):
        Notice.objects.create(user=user, event="run.lost", created_at=timezone.now(),
                              facts={"stack": "acme", "run": "acme #1"})  # fmt: skip
    items = ask("get", "inbox?unread=1").json()["items"]
    assert len(items) == 2 and items[0]["stack"] == "acme" and items[0]["text"]
    assert ask("post", "inbox/read", {"notices": [items[0]["id"]]}).json() == {"count": 1}
    assert len(ask("get", "inbox?unread=1").json()["items"]) == 1
    assert ask("post", "inbox/read", {}).json() == {"count": 1}
    assert Notice.objects.filter(read_at__isnull=True).get().user == other
    back = ask("post", "inbox/read", {"notices": [items[0]["id"]], "on": False})
    assert back.json() == {"count": 1}


def test_one_listens_to_what_one_sees_and_ends_it(settings):
    tenant = factories.make_tenant("acme")
    ask = caller(settings, factories.make_user("vera", role="viewer", over=tenant))
    made = ask("post", "subscriptions", {"events": ["run.lost"],
                                         "over": f"tenant:{tenant.public_id}"})  # fmt: skip
    assert (made.status_code, made.json()["over"]) == (201, "acme")
    assert ask("get", made["Location"].removeprefix("/api/v1/")).json() == made.json()
    hidden = factories.make_tenant("globex")
    wrong = ask("post", "subscriptions", {"events": ["run.lost"],
                                          "over": f"tenant:{hidden.public_id}"})  # fmt: skip
    assert (wrong.status_code, list(wrong.json()["errors"])) == (422, ["over"])
    other = services.subscribe(SYSTEM, factories.make_user("otto"), events=["run.lost"])
    assert ask("delete", f"subscriptions/{other.public_id}").status_code == 404
    path = f"subscriptions/{made.json()['id']}"
    assert ask("delete", path).status_code == 204
    assert ask("get", "subscriptions").json()["items"] == []
    kept = AuditEntry.objects.filter(origin="api", is_refused=False).order_by("pk")
    assert list(kept.values_list("action", flat=True)) == [
        "subscription.create", "subscription.remove",
    ]  # fmt: skip


def test_a_webhook_is_made_changed_paused_and_closed(admin):
    made = admin("post", "channels", WEBHOOK)
    assert made.status_code == 201, made.content
    assert len(made.json()["key"]) == 64 and "a-secret-path" not in made.content.decode()
    path = f"channels/{made.json()['id']}"
    assert "key" not in admin("get", path).json()
    changed = admin("patch", path, {"name": "ops-two", "follows_redirects": True}).json()
    assert (changed["name"], changed["follows_redirects"]) == ("ops-two", True)
    channel = Channel.objects.get()
    assert "a-secret-path" in secrets.own(channel), "the address stays when none is given"
    heard = admin("post", f"{path}/subscriptions", {"events": ["run.lost"]})
    assert heard.status_code == 201 and Subscription.objects.get().channel == channel
    assert admin("post", f"{path}/pause", {"on": True}).json()["is_paused"] is True
    paused = admin("post", f"{path}/test")
    assert (paused.status_code, paused.json()["code"]) == (409, "ChannelPaused")
    assert admin("post", f"{path}/key").json()["key"] != made.json()["key"]
    closed = admin("post", f"{path}/archive", {"reason": "moved"})
    assert closed.status_code == 200 and closed.json()["archived_at"]
    over = admin("patch", path, {"name": "x"})
    assert (over.status_code, over.json()["code"]) == (409, "ChannelArchived")
    kept = AuditEntry.objects.filter(origin="api").order_by("pk").values_list("action", flat=True)
    assert list(dict.fromkeys(kept)) == [
        "channel.create", "channel.change", "subscription.create", "channel.archive",
    ]  # fmt: skip


def test_a_channel_without_a_usable_address_is_refused(admin):
    for url, status in (("", 422), ("ftp://x", 422)):
        assert admin("post", "channels", WEBHOOK | {"url": url}).status_code == status
    assert not Channel.objects.exists()


def test_deliveries_are_read_and_sent_once_more(admin):
    channel, _key = services.create_channel(SYSTEM, **WEBHOOK)
    delivery = make_delivery("test", {}, timezone.now(), channel=channel)
    delivery.save()
    listed = admin("get", f"channels/{channel.public_id}/deliveries").json()["items"]
    assert [one["id"] for one in listed] == [delivery.public_id]
    assert admin("get", f"deliveries/{delivery.public_id}").json()["payload"] == delivery.payload
    again = admin("post", f"deliveries/{delivery.public_id}/again")
    assert again.status_code == 202 and Delivery.objects.count() == 2
    assert again.json()["message_id"] == delivery.message_id
    assert AuditEntry.objects.get(action="channel.redeliver").origin == "api"


def test_a_test_says_how_it_went(admin, settings):
    settings.WEBHOOK_ALLOWED_NETWORKS = []
    channel, _key = services.create_channel(SYSTEM, **WEBHOOK | {"url": "https://127.0.0.1/x"})
    told = admin("post", f"channels/{channel.public_id}/test").json()
    assert told["status"] == "refused" and "not public" in told["error"]
    assert AuditEntry.objects.get(action="channel.test").origin == "api"
