"""Notices: who hears of what, each once, and what becomes of a delivery."""

import json
import threading
from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection, transaction
from django.urls import reverse
from django.utils import timezone

from deployments.models import Happening
from deployments.runstatus import RunStatus
from deployments.services.lifecycle import advance
from notices import delivering, fanout, services, tasks
from notices.errors import ChannelPaused, NotYours
from notices.events import EVENTS, tell
from notices.models import Channel, Delivery, Notice, Subscription
from tenants import actors
from tenants.models import AuditEntry
from tests.factories import give_role, make_region, make_run, make_tenant, make_user
from tests.receiver import receiving

S = RunStatus
TEST = actors.system("test")
pytestmark = pytest.mark.django_db


@pytest.fixture
def receiver(settings):
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    with receiving() as made:
        yield made


def make_channel(url="https://hooks.example.com/x", kind="webhook", name="ops", events=EVENTS):
    channel, key = services.create_channel(TEST, name=name, kind=kind, url=url)
    services.subscribe(TEST, channel, events=list(events))
    return channel, key


def let_wait(run):
    """Take a run to the point where it waits for a person."""
    with transaction.atomic():
        advance(run, S.PLANNED, actor=TEST)


def test_the_owner_of_a_run_is_told_when_it_waits_and_ends():
    owner, other = make_user(role="operator"), make_user(role="admin")
    run = make_run(status=S.PLANNING, actor_id=owner.public_id)
    let_wait(run)
    assert fanout.hand_on() == 1
    notice = Notice.objects.get()
    assert (notice.user, notice.event) == (owner, "run.planned")
    assert str(run) in tell(notice.event, notice.facts)
    assert not Notice.objects.filter(user=other).exists()
    assert not Happening.objects.exists()


def test_what_somebody_did_themselves_is_not_told_to_them():
    owner = make_user(role="operator")
    run = make_run(status=S.PLANNED, actor_id=owner.public_id)
    with transaction.atomic():
        advance(run, S.DISCARDED, actor=actors.from_user(owner, origin="test"))
    fanout.hand_on()
    assert not Notice.objects.exists()


@pytest.mark.parametrize("scope", ["tenant", "environment", "region", "everything"])
def test_a_scope_hits_its_own_and_nothing_else(scope):
    tenant, stranger = make_tenant(), make_tenant()
    user = make_user(role="viewer")
    over = {"tenant": tenant, "environment": tenant.shared_environment, "region": tenant.region}
    services.subscribe(TEST, user, events=["run.planned"], over=over.get(scope))
    for place in (tenant, stranger):
        let_wait(make_run(place, status=S.PLANNING))
    fanout.hand_on()
    told = {notice.facts["tenant"] for notice in Notice.objects.filter(user=user)}
    assert told == ({tenant.name, stranger.name} if scope == "everything" else {tenant.name})


def test_somebody_who_lost_the_right_to_see_hears_nothing():
    tenant = make_tenant()
    user = make_user(role="viewer", over=tenant)
    services.subscribe(TEST, user, events=["run.planned"], over=tenant, by_email=True)
    user.memberships.all().delete()
    let_wait(make_run(tenant, status=S.PLANNING))
    fanout.hand_on()
    assert not Notice.objects.exists() and not Delivery.objects.exists()


def test_everything_is_only_what_one_may_see():
    mine, theirs = make_tenant(), make_tenant()
    user = make_user(role="viewer", over=mine)
    services.subscribe(TEST, user, events=["run.planned"])
    for place in (mine, theirs):
        let_wait(make_run(place, status=S.PLANNING))
    fanout.hand_on()
    assert [notice.facts["tenant"] for notice in Notice.objects.all()] == [mine.name]


def test_nobody_subscribes_to_what_they_do_not_see():
    user = make_user(role="viewer", over=make_tenant())
    with pytest.raises(NotYours):
        services.subscribe(TEST, user, events=["run.lost"], over=make_region())


def test_two_subscriptions_make_one_notice_and_one_delivery():
    tenant, user = make_tenant(), make_user(role="viewer")
    channel, _key = make_channel()
    services.subscribe(TEST, channel, events=["run.planned"], over=tenant)
    for over in (None, tenant):
        services.subscribe(TEST, user, events=["run.planned"], over=over)
    let_wait(make_run(tenant, status=S.PLANNING))
    fanout.hand_on()
    assert Notice.objects.filter(user=user).count() == 1
    assert Delivery.objects.filter(channel=channel).count() == 1


def test_a_transition_that_is_rolled_back_is_not_told():
    make_channel()
    run = make_run(status=S.PLANNING)
    with pytest.raises(RuntimeError), transaction.atomic():
        advance(run, S.PLANNED, actor=TEST)
        raise RuntimeError
    assert not Happening.objects.exists()


def test_a_webhook_gets_the_payload_with_its_signature(receiver):
    channel, key = make_channel(receiver.url)
    run = make_run(status=S.PLANNING)
    let_wait(run)
    tasks.send()
    (got,) = receiver.got
    payload = json.loads(got.body)
    delivery = Delivery.objects.get()
    assert (payload["version"], payload["event"]) == (1, "run.planned")
    assert payload["data"]["run_id"] == run.public_id
    assert payload["url"].endswith(f"/runs/{run.public_id}/")
    assert got.headers["X-Omlsaas-Delivery"] == delivery.message_id == payload["id"]
    from notices.webhooks import sign

    stamp = got.headers["X-Omlsaas-Timestamp"]
    assert got.headers["X-Omlsaas-Signature"] == sign(key, stamp, got.body)
    assert delivery.status == "sent"
    channel.refresh_from_db()
    assert channel.last_sent_at and not channel.failing_since


@pytest.mark.parametrize("kind", ["slack", "teams"])
def test_a_chat_room_gets_words_and_no_signature(receiver, kind):
    make_channel(receiver.url, kind=kind)
    tenant = make_tenant(name="acme")
    let_wait(make_run(tenant, status=S.PLANNING, action_label="<b>*Install*</b>"))
    tasks.send()
    (got,) = receiver.got
    text = got.body.decode()
    assert "acme" in text and "X-Omlsaas-Signature" not in got.headers
    if kind == "slack":
        assert "&lt;b&gt;" in json.loads(text)["text"]
    else:
        assert "\\\\*Install\\\\*" in text


def test_a_receiver_that_is_down_is_tried_again_and_its_channel_rests(receiver):
    channel, _key = make_channel(receiver.url)
    receiver.code = 503
    for _turn in range(3):
        let_wait(make_run(status=S.PLANNING))
    tasks.send()
    channel.refresh_from_db()
    # One attempt showed that it is away: the others wait without one.
    assert len(receiver.got) == 1
    assert channel.failing_since and channel.wait_until > timezone.now()
    first = Delivery.objects.order_by("id")[0]
    assert (first.status, first.attempts) == ("waiting", 1)
    tasks.send()
    assert len(receiver.got) == 1
    receiver.code = 200
    rest(channel)
    tasks.send()
    assert {d.status for d in Delivery.objects.all()} == {"sent"}
    assert len(receiver.got) == 4
    channel.refresh_from_db()
    assert channel.failing_since is None


def rest(channel):
    """Let the rest of a channel be over."""
    Channel.objects.filter(pk=channel.pk).update(wait_until=None)
    Delivery.objects.filter(status="waiting").update(next_at=timezone.now())


def test_it_is_given_up_in_the_end_and_can_be_sent_again(receiver):
    channel, _key = make_channel(receiver.url)
    receiver.code = 500
    let_wait(make_run(status=S.PLANNING))
    fanout.hand_on()
    for _turn in range(delivering.MOST_ATTEMPTS):
        rest(channel)
        delivering.deliver_due()
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.attempts) == ("failed", delivering.MOST_ATTEMPTS)
    assert "Redeliver" in delivery.last_error_text
    receiver.code = 200
    again = services.redeliver(TEST, delivery)
    tasks.send()
    again.refresh_from_db()
    assert again.status == "sent"
    assert again.message_id == delivery.message_id
    assert receiver.got[-1].body == receiver.got[0].body


def test_retry_after_is_kept(receiver):
    make_channel(receiver.url)
    receiver.code, receiver.headers = 429, {"Retry-After": "300"}
    let_wait(make_run(status=S.PLANNING))
    tasks.send()
    delivery = Delivery.objects.get()
    assert timedelta(seconds=290) < delivery.next_at - timezone.now() <= timedelta(seconds=300)


@pytest.mark.parametrize("how", ["private", "redirect", "refused"])
def test_what_cannot_work_is_refused_at_once_and_kept(receiver, settings, how):
    make_channel(receiver.url)
    if how == "private":
        settings.WEBHOOK_ALLOWED_NETWORKS = []
    else:
        receiver.code = 302 if how == "redirect" else 403
        receiver.headers = {"Location": "http://169.254.169.254/"}
    run = make_run(status=S.PLANNING)
    let_wait(run)
    tasks.send()
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.attempts) == ("refused", 1)
    assert delivery.last_error_text
    run.refresh_from_db()
    assert run.status == S.PLANNED


@pytest.mark.django_db(transaction=True)
def test_a_slow_receiver_holds_up_no_other(receiver, monkeypatch):
    from notices import webhooks

    monkeypatch.setattr(webhooks, "TIMEOUT_S", 1.0)
    receiver.silence_s = 3
    with receiving() as quick:
        make_channel(receiver.url, name="slow")
        make_channel(quick.url, name="quick")
        for _turn in range(5):
            let_wait(make_run(status=S.PLANNING))
        tasks.send()
        assert len(quick.got) == 5
    assert Delivery.objects.filter(channel__name="slow", status="waiting").count() == 5


@pytest.mark.django_db(transaction=True)
def test_two_workers_send_each_message_once(receiver):
    make_channel(receiver.url)
    for _turn in range(12):
        let_wait(make_run(status=S.PLANNING))

    def work():
        try:
            tasks.send()
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tasks.send()
    ids = [got.headers["X-Omlsaas-Delivery"] for got in receiver.got]
    assert len(ids) == len(set(ids)) == 12


def test_a_claim_of_a_worker_that_died_ends_by_itself(receiver):
    make_channel(receiver.url)
    let_wait(make_run(status=S.PLANNING))
    fanout.hand_on()
    Delivery.objects.update(claimed_until=timezone.now() + timedelta(seconds=60))
    assert delivering.deliver_due() == 0
    Delivery.objects.update(claimed_until=timezone.now() - timedelta(seconds=1))
    assert delivering.deliver_due() == 1


def test_a_paused_channel_keeps_what_waits(receiver):
    channel, _key = make_channel(receiver.url)
    services.pause_channel(TEST, channel, True)
    let_wait(make_run(status=S.PLANNING))
    tasks.send()
    assert not receiver.got and Delivery.objects.filter(status="waiting").count() == 1
    with pytest.raises(ChannelPaused):
        services.test_channel(TEST, channel)
    services.pause_channel(TEST, channel, False)
    tasks.send()
    assert len(receiver.got) == 1


def test_an_archived_channel_forgets_its_address_and_hears_nothing(receiver):
    channel, _key = make_channel(receiver.url)
    services.archive_channel(TEST, channel, "no longer used")
    let_wait(make_run(status=S.PLANNING))
    tasks.send()
    channel.refresh_from_db()
    assert not channel.has_secret and not receiver.got
    assert AuditEntry.objects.filter(action="channel.archive").exists()


def test_mail_is_sent_and_a_hostile_name_makes_no_header(settings):
    settings.EMAIL_URL = "smtp://mail.example.com"
    user = make_user(role="viewer", email="a@example.com")
    services.subscribe(TEST, user, events=["run.planned"], by_email=True)
    let_wait(make_run(status=S.PLANNING, action_label="Install\r\nBcc: evil@example.com"))
    tasks.send()
    (message,) = mail.outbox
    assert message.to == ["a@example.com"]
    assert "\n" not in message.subject and not message.bcc
    assert "/runs/run_" in message.body


def test_without_a_mail_server_a_delivery_says_so(settings):
    settings.EMAIL_URL = ""
    user = make_user(role="viewer")
    services.subscribe(TEST, user, events=["run.planned"], by_email=True)
    let_wait(make_run(status=S.PLANNING))
    tasks.send()
    delivery = Delivery.objects.get()
    assert delivery.status == "refused" and "EMAIL_URL" in delivery.last_error_text
    assert not mail.outbox


def test_old_notices_and_deliveries_go_and_what_waits_stays():
    make_channel()
    user = make_user(role="viewer")
    services.subscribe(TEST, user, events=["run.planned"])
    for _turn in range(2):
        let_wait(make_run(status=S.PLANNING))
    fanout.hand_on()
    long_ago = timezone.now() - timedelta(days=365)
    Delivery.objects.update(created_at=long_ago)
    Notice.objects.update(created_at=long_ago)
    done = Delivery.objects.first()
    Delivery.objects.filter(pk=done.pk).update(status="sent")
    late = Delivery.objects.exclude(pk=done.pk).get()
    Delivery.objects.filter(pk=late.pk).update(created_at=timezone.now() - timedelta(days=45))
    assert delivering.prune(30, 90) == 3
    assert Delivery.objects.get().status == "waiting"
    # Not for ever: a receiver that never came back is not owed messages of months ago.
    Delivery.objects.filter(pk=late.pk).update(created_at=long_ago)
    assert delivering.prune(30, 90) == 1


def test_the_address_and_key_stand_nowhere_in_clear(client):
    secret_path = "T0SECRETPATH/abcdef"
    channel, key = make_channel(f"https://hooks.example.com/{secret_path}")
    admin = make_user(role="admin")
    client.force_login(admin)
    page = client.get(reverse("channel", args=[channel.public_id])).content.decode()
    listed = client.get(reverse("channels")).content.decode()
    entries = json.dumps(list(AuditEntry.objects.values("before", "after", "target_name")))
    for text in (page, listed, entries):
        assert secret_path not in text and key not in text
    assert bytes(channel.ciphertext).find(secret_path.encode()) == -1


# --- pages ---------------------------------------------------------------------------------
def test_channels_are_for_admins_only(client):
    channel, _key = make_channel()
    client.force_login(make_user(role="operator"))
    pages = [
        reverse("channels"),
        reverse("channel_new"),
        reverse("channel", args=[channel.public_id]),
    ]
    assert {client.get(page).status_code for page in pages} == {403}
    posts = ("test", "pause", "key", "archive", "listen")
    for name in posts:
        page = reverse(f"channel_{name}", args=[channel.public_id])
        assert client.post(page, {"reason": "x"}).status_code == 403


def test_a_channel_is_made_listens_and_is_tested_in_the_pages(client, receiver):
    client.force_login(make_user(role="admin"))
    data = {"name": "ops", "kind": "webhook", "url": receiver.url}
    page = client.post(reverse("channel_new"), data)
    assert page.status_code == 200 and "Shown this once" in page.content.decode()
    channel = Channel.objects.get()
    listen = reverse("channel_listen", args=[channel.public_id])
    assert client.post(listen, {"over": "everything", "events": ["run.lost"]}).status_code == 302
    test = client.post(reverse("channel_test", args=[channel.public_id]), follow=True)
    assert "The test was delivered" in test.content.decode()
    assert json.loads(receiver.got[0].body)["event"] == "test"
    delivery = Delivery.objects.get()
    shown = client.get(reverse("delivery", args=[delivery.public_id])).content.decode()
    assert delivery.message_id in shown
    again = client.post(reverse("delivery_again", args=[delivery.public_id]))
    assert again.status_code == 302 and Delivery.objects.count() == 2


def test_a_wrong_address_comes_back_with_its_reason_and_what_was_typed(client):
    client.force_login(make_user(role="admin"))
    data = {"name": "ops", "kind": "webhook", "url": "ftp://x"}
    page = client.post(reverse("channel_new"), data).content.decode()
    assert "https://hooks.example.com" in page and 'value="ops"' in page
    assert not Channel.objects.exists()


def test_the_inbox_is_ones_own(client):
    owner, other = make_user(role="operator"), make_user(role="operator")
    let_wait(make_run(status=S.PLANNING, actor_id=owner.public_id))
    fanout.hand_on()
    notice = Notice.objects.get()
    client.force_login(other)
    assert client.get(reverse("notice", args=[notice.public_id])).status_code == 404
    client.post(reverse("inbox_read"), {"id": notice.public_id})
    assert notice.public_id not in client.get(reverse("inbox")).content.decode()
    client.force_login(owner)
    assert notice.public_id in client.get(reverse("inbox")).content.decode()
    followed = client.get(reverse("notice", args=[notice.public_id]))
    assert followed.url == reverse("run", args=[notice.facts["run_id"]])
    notice.refresh_from_db()
    assert notice.read_at is not None
    client.post(reverse("inbox_read") + "?on=0", {"id": notice.public_id})
    notice.refresh_from_db()
    assert notice.read_at is None


def test_own_subscriptions_only_can_be_ended(client):
    owner, other = make_user(role="viewer"), make_user(role="viewer")
    held = services.subscribe(TEST, owner, events=["run.lost"])
    client.force_login(other)
    page = reverse("subscription_end", args=[held.public_id])
    assert client.post(page).status_code == 404
    client.force_login(owner)
    assert client.post(page).status_code == 302
    assert not Subscription.objects.exists()


def test_a_thing_one_does_not_see_is_no_choice(client):
    mine, theirs = make_tenant(), make_tenant()
    user = make_user()
    give_role(user, "viewer", mine)
    client.force_login(user)
    page = client.get(reverse("inbox_settings")).content.decode()
    assert mine.public_id in page and theirs.public_id not in page
    data = {"over": f"tenant:{theirs.public_id}", "events": ["run.lost"]}
    assert client.post(reverse("inbox_settings"), data).status_code == 200
    assert not Subscription.objects.exists()


def test_hostile_text_is_shown_as_text(client):
    owner = make_user(role="operator")
    run = make_run(status=S.PLANNING, actor_id=owner.public_id, action_label="<script>x</script>")
    let_wait(run)
    fanout.hand_on()
    client.force_login(owner)
    page = client.get(reverse("inbox")).content.decode()
    assert "&lt;script&gt;x" in page and "<script>x" not in page


def test_who_is_asked_for_and_who_decided_are_told(lab):
    from deployments.models import Approval
    from deployments.services import approve_run
    from tests.factories import with_four_eyes
    from tests.integration.second_persons import asked, dangerous

    with_four_eyes()
    stack = lab.stack("acme")
    author, second = make_user(role="operator"), make_user(role="approver", over=stack)
    services.subscribe(TEST, second, events=["approval.asked"], over=stack)
    services.subscribe(TEST, author, events=["approval.decided"])
    run = dangerous(stack, author)
    asked(author, run)
    opened = Approval.objects.get(run=run)
    approve_run(actors.from_user(second, origin="test"), run, reason="seen", digest=opened.digest)
    fanout.hand_on()
    told = set(Notice.objects.values_list("user__username", "event"))
    assert (second.username, "approval.asked") in told
    assert (author.username, "approval.decided") in told
