"""Notices about what somebody does not see any more: not listed, not counted, not sent."""

import re

import pytest
from django.core import mail
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from deployments.runstatus import RunStatus
from deployments.services.lifecycle import advance
from notices import fanout, services, tasks
from notices.models import Delivery, Notice, Subscription
from tenants import actors
from tests.factories import give_role, make_run, make_tenant, make_user
from tests.receiver import receiving

S = RunStatus
TEST = actors.system("test")
pytestmark = pytest.mark.django_db


def let_wait(tenant):
    run = make_run(tenant, status=S.PLANNING)
    with transaction.atomic():
        advance(run, S.PLANNED, actor=TEST)


@pytest.fixture
def here():
    return make_tenant("acme")


@pytest.fixture
def there():
    return make_tenant("globex")


@pytest.fixture
def vera(here, there):
    """Somebody who hears of two tenants in different regions."""
    user = make_user("vera", role="viewer", over=here)
    give_role(user, "viewer", there.region)
    services.subscribe(TEST, user, events=["run.planned"], by_email=True)
    return user


def told(*tenants):
    for tenant in tenants:
        let_wait(tenant)
    fanout.hand_on()


def page(client, user):
    client.force_login(user)
    return client.get(reverse("inbox")).content.decode()


def unread(text):
    """Return the number that the bell shows; 0 when it shows none."""
    found = re.search(r'aria-label="Inbox">.*?</a>', text)
    found = re.search(r'class="o-n">(\d+)<', found[0])
    return int(found[1]) if found else 0


def test_lines_of_before_a_role_was_taken_are_neither_shown_nor_counted(client, here, there, vera):
    told(here, there)
    text = page(client, vera)
    assert "acme #1" in text and "globex #1" in text and unread(text) == 2
    lost = Notice.objects.get(facts__stack="globex")
    vera.memberships.filter(region=there.region).delete()
    text = page(client, vera)
    assert "acme #1" in text and "globex" not in text and unread(text) == 1
    assert "globex" not in client.get(reverse("inbox") + "?format=csv").content.decode()
    assert client.get(reverse("notice", args=[lost.public_id])).status_code == 404
    client.post(reverse("inbox_read"), {"all": "1"})
    lost.refresh_from_db()
    assert lost.read_at is None
    give_role(vera, "viewer", there)
    assert "globex #1" in page(client, vera)


def test_without_any_role_the_bell_counts_nothing(client, here, vera):
    told(here)
    vera.memberships.all().delete()
    text = page(client, vera)
    assert "acme" not in text and unread(text) == 0


def test_the_bell_costs_one_query_for_everybody(client, here, vera):
    told(here)
    for user in (vera, make_user("dana", role="admin")):
        client.force_login(user)
        client.get(reverse("inbox"))
        with CaptureQueriesContext(connection) as caught:
            client.get(reverse("inbox"))
        assert len([q for q in caught if "deployments_maintenance" in q["sql"]]) == 1


@pytest.mark.parametrize("how", ["role", "account"])
def test_a_mail_that_waits_is_not_sent_to_who_lost_it(settings, here, vera, how):
    settings.EMAIL_URL = "smtp://mail.example.com"
    told(here)
    if how == "role":
        vera.memberships.all().delete()
    else:
        type(vera).objects.update(is_active=False)
    tasks.send()
    delivery = Delivery.objects.get()
    assert not mail.outbox and delivery.status == "refused"
    assert "does not hear of this any more" in delivery.last_error_text


def test_a_webhook_whose_subscription_ended_gets_nothing_but_what_is_sent_again(settings, here):
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    with receiving() as receiver:
        url = f"{receiver.url}/x"
        channel, _key = services.create_channel(TEST, name="ops", kind="webhook", url=url)
        services.subscribe(TEST, channel, events=["run.planned"])
        told(here)
        Subscription.objects.all().delete()
        tasks.send()
        delivery = Delivery.objects.get()
        assert delivery.status == "refused" and not receiver.got
        services.redeliver(TEST, delivery)
        tasks.send()
        assert len(receiver.got) == 1
