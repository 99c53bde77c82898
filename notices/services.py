"""The only writers of channels and subscriptions. Each is one transaction with its audit entry."""

import json
import secrets as random
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django.db import IntegrityError, transaction
from django.utils import timezone

from notices import webhooks
from notices.delivering import send_one
from notices.errors import ChannelArchived, ChannelPaused, NothingSigned, NotYours
from notices.events import EVENTS, STEP_EVENTS
from notices.fanout import make_delivery
from notices.models import Channel, ChannelKind, Delivery, DeliveryStatus, Notice, Subscription
from tenants import access, audit, secrets
from tenants.actors import Actor
from tenants.errors import NameTaken
from tenants.models import Region, SharedEnvironment, Stack, Tenant, User

KEY_BYTES = 32
SCOPES = {
    Region: "region",
    SharedEnvironment: "shared_environment",
    Tenant: "tenant",
    Stack: "stack",
}


def create_channel(
    actor: Actor,
    *,
    name: str,
    kind: str,
    url: str = "",
    region: Region | None = None,
    table_name: str = "",
    follows_redirects: bool = False,
) -> tuple[Channel, str]:
    """Create a channel; return it and, of a webhook, the key that signs: it is shown this once.

    For admins. Raises AddressNotUsable and NameTaken.
    """
    access.require(actor, "admin")
    channel = Channel(name=name, kind=kind, follows_redirects=follows_redirects)
    key = random.token_hex(KEY_BYTES) if kind == ChannelKind.WEBHOOK else ""
    if channel.is_table:
        channel.region, channel.table_name, channel.shown_as = region, table_name, table_name
    else:
        _keep_address(channel, url, key)
    with transaction.atomic():
        _save(channel)
        after = {"name": name, "kind": kind, "address": channel.shown_as}
        audit.record(actor, "channel.create", channel, after=after)
    return channel, key


def change_channel(
    actor: Actor,
    channel: Channel,
    *,
    name: str,
    url: str = "",
    follows_redirects: bool,
    **table: Any,
) -> Channel:
    """Change a channel; an empty address keeps the one that is there."""
    access.require(actor, "admin")
    with transaction.atomic():
        channel = _locked(channel)
        before = _told(channel)
        channel.name, channel.follows_redirects = name, follows_redirects
        if channel.is_table:
            channel.region, channel.table_name = table["region"], table["table_name"]
            channel.shown_as = channel.table_name
        elif url:
            key = json.loads(secrets.own(channel)).get("key", "")
            _keep_address(channel, url, key)
        channel.wait_until = None
        _save(channel)
        old, new = audit.changes(
            before, {**_told(channel), **({"url": "(changed)"} if url else {})}
        )
        if new:
            audit.record(actor, "channel.change", channel, before=old, after=new)
    return channel


def renew_key(actor: Actor, channel: Channel) -> str:
    """Give a webhook a new signing key and return it; from then on the old one signs nothing."""
    access.require(actor, "admin")
    with transaction.atomic():
        channel = _locked(channel)
        if channel.kind != ChannelKind.WEBHOOK:
            raise NothingSigned(channel=channel)
        kept = json.loads(secrets.own(channel))
        kept["key"] = random.token_hex(KEY_BYTES)
        secrets.keep_own(channel, json.dumps(kept))
        channel.save(update_fields=["key_id", "ciphertext"])
        audit.record(actor, "channel.change", channel, after={"key": "(changed)"})
    return kept["key"]


def pause_channel(actor: Actor, channel: Channel, on: bool) -> None:
    """Send nothing over a channel until it is resumed; what happens meanwhile waits."""
    access.require(actor, "admin")
    with transaction.atomic():
        channel = _locked(channel)
        if channel.is_paused == on:
            return
        channel.is_paused, channel.wait_until = on, None
        channel.save(update_fields=["is_paused", "wait_until"])
        audit.record(actor, "channel.change", channel, before={"paused": not on},
                     after={"paused": on})  # fmt: skip


def archive_channel(actor: Actor, channel: Channel, reason: str) -> None:
    """Close a channel for good: what waits is given up, and its address and key are forgotten."""
    access.require(actor, "admin")
    with transaction.atomic():
        channel = _locked(channel)
        channel.archived_at, channel.archived_by = timezone.now(), actor.name
        channel.archived_reason = reason
        secrets.keep_own(channel, secrets.NO_SECRET)
        channel.save()
        channel.subscriptions.all().delete()
        waiting = channel.deliveries.filter(status=DeliveryStatus.WAITING)
        waiting.update(status=DeliveryStatus.FAILED, ended_at=timezone.now())
        audit.record(actor.because(reason), "channel.archive", channel)


def test_channel(actor: Actor, channel: Channel) -> Delivery:
    """Send a test at once and return how it went; tried once."""
    access.require(actor, "admin")
    channel = Channel.objects.get(pk=channel.pk)
    _require_open(channel)
    facts = {"by": actor.name, "by_id": actor.id}
    delivery = make_delivery("test", facts, timezone.now(), channel=channel)
    with transaction.atomic():
        # Claimed by us: no worker sends it a second time meanwhile.
        delivery.claimed_until = timezone.now() + timedelta(minutes=2)
        delivery.save()
        audit.record(actor, "channel.test", channel)
    send_one(delivery.pk)
    delivery.refresh_from_db()
    if delivery.status == DeliveryStatus.WAITING:
        delivery.status, delivery.ended_at = DeliveryStatus.FAILED, timezone.now()
        delivery.save(update_fields=["status", "ended_at"])
    return delivery


def redeliver(actor: Actor, delivery: Delivery) -> Delivery:
    """Queue the same message once more, under the same message id; return the new delivery."""
    access.require(actor, "admin")
    _require_open(delivery.channel)
    again = Delivery(
        channel=delivery.channel,
        event=delivery.event,
        subject=delivery.subject,
        payload=delivery.payload,
        message_id=delivery.message_id,
        redelivery_of=delivery,
        next_at=timezone.now(),
    )
    with transaction.atomic():
        again.save()
        Channel.objects.filter(pk=delivery.channel_id).update(wait_until=None)
        after = {"delivery": delivery.public_id, "event": delivery.event}
        audit.record(actor, "channel.redeliver", delivery.channel, after=after)
    return again


def subscribe(
    actor: Actor,
    holder: User | Channel,
    *,
    events: Sequence[str],
    over: Any = None,
    by_email: bool = False,
    is_own: bool = False,
) -> Subscription:
    """Let a person or a channel listen to events over everything, or over one thing.

    A person subscribes themselves to what they may see; channels are for admins. Raises NotYours.
    A status table takes the events of steps, whatever is named.
    """
    subscription = Subscription(by_email=by_email, is_own=is_own, events=_known(events))
    if isinstance(holder, Channel):
        access.require(actor, "admin")
        _require_open(holder)
        subscription.channel = holder
        if holder.is_table:
            subscription.events = list(STEP_EVENTS)
    else:
        subscription.user = holder
        if over is not None and not access.user_can(holder, "view", over):
            raise NotYours()
    if not is_own:
        setattr(subscription, SCOPES.get(type(over), "everything"), over or True)
    with transaction.atomic():
        if is_own:
            Subscription.objects.filter(user=subscription.user, is_own=True).delete()
        subscription.save()
        after = {"events": subscription.events, "over": subscription.scope_text}
        audit.record(actor, "subscription.create", holder, after={**after, "by_email": by_email})
    return subscription


def unsubscribe(actor: Actor, subscription: Subscription) -> None:
    """End a subscription."""
    holder = subscription.user or subscription.channel
    if subscription.channel_id is not None:
        access.require(actor, "admin")
    with transaction.atomic():
        before = {"events": subscription.events, "over": subscription.scope_text}
        subscription.delete()
        audit.record(actor, "subscription.remove", holder, before=before)


def mark_read(user: User, notices: Iterable[str] | None = None, *, on: bool = True) -> int:
    """Mark a person's own notices as read, all of them when none is named; return how many."""
    rows = Notice.objects.visible_to(user).filter(read_at__isnull=on)
    if notices is not None:
        rows = rows.filter(public_id__in=list(notices))
    return rows.update(read_at=timezone.now() if on else None)


def _known(events: Sequence[str]) -> list[str]:
    return [event for event in EVENTS if event in set(events)]


def _keep_address(channel: Channel, url: str, key: str) -> None:
    webhooks.check_address(url)
    parts = urlsplit(url)
    # The path is what makes the address of a chat room a secret.
    channel.shown_as = f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}"
    secrets.keep_own(channel, json.dumps({"url": url, "key": key}))


def _save(channel: Channel) -> None:
    try:
        with transaction.atomic():
            channel.save()
    except IntegrityError as error:
        if "channel_name_living" in str(error):
            raise NameTaken(name=channel.name, kind=Channel._meta.verbose_name) from error
        raise


def _locked(channel: Channel) -> Channel:
    row = Channel.objects.select_for_update(of=("self",)).get(pk=channel.pk)
    if row.is_archived:
        raise ChannelArchived(channel=row)
    return row


def _require_open(channel: Channel | None) -> None:
    if channel is None or channel.is_archived:
        raise ChannelArchived(channel=channel or "–")
    if channel.is_paused:
        raise ChannelPaused(channel=channel)


def _told(channel: Channel) -> dict[str, Any]:
    return {
        "name": channel.name,
        "address": channel.shown_as,
        "follows_redirects": channel.follows_redirects,
        "region": str(channel.region or ""),
    }
