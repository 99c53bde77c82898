"""Sending what is due. Each channel by itself: one that is slow or away holds up no other.

A worker that dies in the middle leaves a claim that ends by itself, and the message is sent
again: receivers tell repeats apart by the delivery's id.
"""

import json
import logging
import random
import smtplib
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from deployments.cloud import statustable
from deployments.cloud.errors import CloudRefusal
from notices import fanout, payloads, webhooks
from notices.errors import (
    AddressNotUsable,
    GivenUp,
    MailNotSent,
    MailNotSetUp,
    NotForThem,
    PrivateAddress,
    ReceiverRefused,
    Redirected,
    TableNotWritten,
)
from notices.models import Channel, ChannelKind, Delivery, DeliveryStatus, Notice
from omlsaas.lib.refusals import Refusal
from tenants import secrets
from tenants.models import Stack

log = logging.getLogger(__name__)
AT_ONCE, CHANNELS_AT_ONCE = 20, 8
# A claim outlives the longest sending of one batch.
CLAIM_S, BATCH_S = 120, 45
MOST_ATTEMPTS, FIRST_WAIT_S, LONGEST_WAIT_S = 10, 10, 3600
KEPT_TRIES = 10
FINAL = (
    PrivateAddress, Redirected, ReceiverRefused, AddressNotUsable, MailNotSetUp, NotForThem
)  # fmt: skip
STATUS_OF = {
    "begun": (statustable.CREATING, "Deploying %s"),
    "done": (statustable.OK, "%s successfully deployed"),
    "failed": (statustable.KO, "Failed deploy %s"),
}


def deliver_due() -> int:
    """Send what is due, to several channels side by side; return how many were tried."""
    batches = _claim()
    if not batches:
        return 0
    if len(batches) == 1:
        return _send_batch(batches[0])
    with ThreadPoolExecutor(CHANNELS_AT_ONCE, thread_name_prefix="deliver") as pool:
        return sum(pool.map(_send_in_thread, batches))


def _claim() -> list[list[int]]:
    """Claim what is due: the oldest of each channel of which nothing is under way."""
    now = timezone.now()
    with transaction.atomic():
        due = Delivery.objects.filter(status=DeliveryStatus.WAITING, next_at__lte=now)
        due = due.filter(Q(claimed_until__isnull=True) | Q(claimed_until__lt=now))
        due = due.filter(Q(channel__isnull=True) | _ready(now))
        waiting = Delivery.objects.filter(status=DeliveryStatus.WAITING)
        busy = waiting.filter(claimed_until__gt=now, channel__isnull=False)
        due = due.exclude(channel__in=busy.values("channel"))
        receivers = due.order_by().values_list("channel", flat=True).distinct()
        batches = []
        for channel in list(receivers[:CHANNELS_AT_ONCE]):
            # Locked first: two that claim at once take each other's channels in turn.
            if channel and not _locked(channel):
                continue
            rows = due.filter(channel=channel).order_by("id")
            rows = rows.select_for_update(skip_locked=True, of=("self",), no_key=True)
            ids = list(rows.values_list("pk", flat=True)[:AT_ONCE])
            if ids:
                until = now + timedelta(seconds=CLAIM_S)
                Delivery.objects.filter(pk__in=ids).update(claimed_until=until)
                batches.append(ids)
    return batches


def _ready(now: datetime) -> Q:
    waits = Q(channel__wait_until__isnull=True) | Q(channel__wait_until__lte=now)
    return waits & Q(channel__is_paused=False, channel__archived_at__isnull=True)


def _locked(channel_pk: int) -> bool:
    rows = Channel.objects.select_for_update(skip_locked=True, no_key=True)
    return rows.filter(pk=channel_pk).exists()


def _send_in_thread(ids: list[int]) -> int:
    try:
        return _send_batch(ids)
    finally:
        connection.close()


def _send_batch(ids: list[int]) -> int:
    """Send one receiver's batch in order; what is left when it fails or takes long waits."""
    tried, until = 0, time.monotonic() + BATCH_S
    try:
        for pk in ids:
            if time.monotonic() > until:
                break
            tried += 1
            if not send_one(pk):
                break
        Delivery.objects.filter(pk__in=ids, status=DeliveryStatus.WAITING).update(
            claimed_until=None
        )
    except Exception:
        # The claim ends by itself.
        log.exception("a batch of deliveries failed")
    return tried


def send_one(pk: int) -> bool:
    """Send one delivery and write down how it went; False when the receiver needs a rest."""
    rows = Delivery.objects.select_related("channel__region__account", "user")
    delivery = rows.get(pk=pk)
    if delivery.status != DeliveryStatus.WAITING:
        return True
    began, error, code = time.monotonic(), None, 0
    try:
        _refuse_stale(delivery)
        code = _send(delivery)
    except Refusal as refusal:
        error = refusal
    ms = round((time.monotonic() - began) * 1000)
    return _note(delivery, error, code, ms)


def _refuse_stale(delivery: Delivery) -> None:
    """Raise NotForThem when the receiver may not hear of it any more: it may have waited long.

    What an admin sent once more, or sent as a test, is meant for the channel whatever it hears.
    """
    stack_id = delivery.payload.get("data", {}).get("stack_id")
    if not stack_id or delivery.redelivery_of_id is not None:
        return
    if delivery.user_id is not None:
        seen = Stack.objects.visible_to(delivery.user).filter(public_id=stack_id)
        if not delivery.user.is_active or not seen.exists():
            raise NotForThem(who=delivery.user.username)
        return
    stack = Stack.objects.filter(public_id=stack_id).first()
    heard = [] if stack is None else fanout.listening(delivery.event, stack)
    if delivery.channel_id not in {subscription.channel_id for subscription in heard}:
        raise NotForThem(who=delivery.channel.name)


def _send(delivery: Delivery) -> int:
    channel = delivery.channel
    if channel is None:
        return _send_mail(delivery)
    if channel.kind == ChannelKind.STATUS_TABLE:
        return _write_table(channel, delivery)
    kept = json.loads(secrets.own(channel))
    make = {ChannelKind.SLACK: payloads.slack, ChannelKind.TEAMS: payloads.teams}.get(channel.kind)
    is_signed = make is None
    headers = {
        "X-Omlsaas-Delivery": delivery.message_id,
        "X-Omlsaas-Event": delivery.event,
    }
    answer = webhooks.send(
        kept["url"],
        make(delivery.payload) if make else delivery.payload,
        headers if is_signed else {},
        kept.get("key", "") if is_signed else "",
        follows=channel.follows_redirects,
    )
    return answer.code


def _send_mail(delivery: Delivery) -> int:
    if not settings.EMAIL_URL:
        raise MailNotSetUp()
    subject, text = payloads.mail(delivery.payload)
    headers = {"X-Omlsaas-Delivery": delivery.message_id, "Auto-Submitted": "auto-generated"}
    try:
        EmailMessage(subject, text, to=[delivery.user.email], headers=headers).send()
    except (smtplib.SMTPException, OSError, ValueError) as error:
        raise MailNotSent(why=str(error)[:200] or type(error).__name__) from error
    return 0


def _write_table(channel: Channel, delivery: Delivery) -> int:
    data, occurred = delivery.payload["data"], delivery.payload["occurred_at"]
    word = delivery.event.partition(".")[2]
    status, action = STATUS_OF.get(word, (statustable.OK, "%s"))
    what = f"{data.get('run', 'omlsaas')} {data.get('step_kind', '')}".strip()
    item = f"{data.get('run_id', 'test')}#{data.get('step', 0)}"
    try:
        statustable.put_status(
            channel.region, channel.table_name, item, status, action % what,
            datetime.fromisoformat(occurred),
        )  # fmt: skip
    except CloudRefusal as refusal:
        raise TableNotWritten(table=channel.table_name, why=refusal) from refusal
    return 200


def _note(delivery: Delivery, error: Refusal | None, code: int, ms: int) -> bool:
    """Write down one attempt, what follows for the delivery and for its channel."""
    now = timezone.now()
    told = {"at": now.isoformat(timespec="seconds"), "ms": ms, "code": code}
    if error is not None:
        told["error"] = error.to_json()
        told["code"] = error.params.get("code", 0)
    delivery.tries = [*delivery.tries, told][-KEPT_TRIES:]
    delivery.attempts += 1
    delivery.claimed_until = None
    wait = None
    if error is None:
        delivery.status, delivery.ended_at = DeliveryStatus.SENT, now
    elif isinstance(error, FINAL):
        delivery.status, delivery.ended_at = DeliveryStatus.REFUSED, now
    elif delivery.attempts >= MOST_ATTEMPTS:
        delivery.status, delivery.ended_at = DeliveryStatus.FAILED, now
        told["error"] = GivenUp(attempts=delivery.attempts, why=error).to_json()
        wait = now + timedelta(seconds=wait_s(delivery.attempts, error))
    else:
        wait = delivery.next_at = now + timedelta(seconds=wait_s(delivery.attempts, error))
    with transaction.atomic():
        delivery.save()
        if delivery.channel_id and not isinstance(error, NotForThem):
            # Its receiver was not asked then: nothing is known of it.
            _note_channel(delivery.channel_id, told.get("error"), wait, now)
    return wait is None


def _note_channel(pk: int, error: dict[str, Any] | None, wait: Any, now: datetime) -> None:
    channel = Channel.objects.filter(pk=pk)
    if error is None:
        channel.update(last_sent_at=now, failing_since=None, last_error=None, wait_until=None)
        return
    channel.update(last_error=error, wait_until=wait)
    channel.filter(failing_since__isnull=True).update(failing_since=now)


def wait_s(attempts: int, error: Refusal | None) -> float:
    """Return the seconds until the next attempt: doubled each time with some chance in it.

    A receiver that named its own time gets that, within an hour.
    """
    asked = _asked_for(getattr(error, "retry_after", ""))
    if asked is not None:
        return min(max(asked, 1.0), LONGEST_WAIT_S)
    # Chance spreads receivers out; nothing secret hangs on it.
    spread = random.uniform(0.8, 1.2)  # noqa: S311
    return min(FIRST_WAIT_S * 2 ** (attempts - 1), LONGEST_WAIT_S) * spread


def _asked_for(text: str) -> float | None:
    """Return the seconds of a Retry-After header, a number or a date; None when it says nothing.

    https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
    """
    if text.strip().isdecimal() and len(text) < 10:
        return float(text)
    try:
        return (parsedate_to_datetime(text) - timezone.now()).total_seconds()
    except (ValueError, TypeError):
        return None


def prune(deliveries_days: int, notices_days: int) -> int:
    """Remove what ended long ago; return how many rows went."""
    now, gone = timezone.now(), 0
    # What waited for so long for a receiver that never came back is not wanted any more.
    Delivery.objects.filter(
        status=DeliveryStatus.WAITING, created_at__lt=now - timedelta(days=2 * deliveries_days)
    ).update(status=DeliveryStatus.FAILED, ended_at=now)
    old: Iterable[Any] = (
        Delivery.objects.filter(created_at__lt=now - timedelta(days=deliveries_days)).exclude(
            status=DeliveryStatus.WAITING
        ),
        Notice.objects.filter(created_at__lt=now - timedelta(days=notices_days)),
    )
    for rows in old:
        while ids := list(rows.order_by().values_list("pk", flat=True)[:1000]):
            gone += rows.model.objects.filter(pk__in=ids).delete()[0]
    return gone
