"""From the outbox to inboxes and deliveries: who hears of an event, each once."""

from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from deployments.models import Happening, Run
from notices import payloads
from notices.events import OWN, STEP_EVENTS
from notices.models import Channel, Delivery, Notice, Subscription
from omlsaas.lib.ids import new_id
from tenants.access import user_can
from tenants.models import Stack, User

AT_ONCE = 200


def hand_on() -> int:
    """Hand on what waits in the outbox, at most AT_ONCE; return how many events there were.

    Several may do this at once: each takes other rows. An event goes in the same transaction in
    which its notices and deliveries are written, so none is lost and none is told twice.
    """
    with transaction.atomic():
        events = list(Happening.objects.select_for_update(skip_locked=True)[:AT_ONCE])
        if not events:
            return 0
        stacks = _stacks({event.stack_id for event in events})
        runs = Run.objects.select_related("stack").in_bulk({e.run_id for e in events if e.run_id})
        notices: list[Notice] = []
        deliveries: list[Delivery] = []
        for event in events:
            stack = stacks.get(event.stack_id)
            if stack is not None:
                _tell(event, stack, runs.get(event.run_id), notices, deliveries)
        Notice.objects.bulk_create(notices)
        Delivery.objects.bulk_create(deliveries)
        Happening.objects.filter(pk__in=[event.pk for event in events]).delete()
    return len(events)


def _stacks(ids: set[int]) -> dict[int, Stack]:
    rows = Stack.objects.select_related("tenant", "shared_environment", "region")
    return rows.in_bulk(ids)


def listening(event: str, stack: Stack) -> list[Subscription]:
    """Return the subscriptions, of people and channels, that an event of a stack hits."""
    scope = Q(everything=True) | Q(stack=stack) | Q(region_id=stack.region_id)
    if stack.parent_environment_id:
        scope |= Q(shared_environment_id=stack.parent_environment_id)
    if stack.tenant_id:
        scope |= Q(tenant_id=stack.tenant_id)
    found = Subscription.objects.filter(scope, events__contains=[event], is_own=False)
    found = found.filter(Q(channel__isnull=True) | Q(channel__archived_at__isnull=True))
    return list(found.select_related("user", "channel").order_by("id"))


def _tell(
    event: Happening,
    stack: Stack,
    run: Run | None,
    notices: list[Notice],
    deliveries: list[Delivery],
) -> None:
    facts = payloads.facts_of(event, stack, run)
    found = listening(event.kind, stack)
    people = _people(event, stack, run, found)
    for user, by_email in people.items():
        notices.append(_notice(event, user, facts))
        if by_email and user.email:
            deliveries.append(_delivery(event, facts, user=user))
    for channel in {s.channel_id: s.channel for s in found if s.channel_id}.values():
        deliveries.append(_delivery(event, facts, channel=channel))


def _people(
    event: Happening, stack: Stack, run: Run | None, found: Iterable[Subscription]
) -> dict[User, bool]:
    """Return who gets it, and whether by e-mail, too: of those who may still see the stack.

    Nobody is told what they did themselves.
    """
    people: dict[User, bool] = {}
    for subscription in found:
        if (user := subscription.user) is not None:
            people[user] = people.get(user, False) or subscription.by_email
    if run is not None and event.kind not in STEP_EVENTS and run.actor_id:
        owner = User.objects.filter(public_id=run.actor_id, is_service=False).first()
        own = Subscription.objects.filter(user=owner, is_own=True).first() if owner else None
        if owner is not None and event.kind in (OWN if own is None else own.events):
            people[owner] = people.get(owner, False) or bool(own and own.by_email)
    did = event.facts.get("by_id")
    return {
        user: by_email
        for user, by_email in people.items()
        if user.is_active and user.public_id != did and user_can(user, "view", stack)
    }


def _notice(event: Happening, user: User, facts: dict[str, Any]) -> Notice:
    return Notice(
        user=user,
        event=event.kind,
        facts=facts,
        stack_id=event.stack_id,
        run_public_id=facts.get("run_id", ""),
        created_at=event.created_at,
    )


def _delivery(
    event: Happening,
    facts: dict[str, Any],
    *,
    user: User | None = None,
    channel: Channel | None = None,
) -> Delivery:
    return make_delivery(event.kind, facts, event.created_at, user=user, channel=channel)


def make_delivery(
    event: str, facts: dict[str, Any], occurred_at: Any, *, user: Any = None, channel: Any = None
) -> Delivery:
    """Return a delivery, not saved yet, that is due at once."""
    message_id = new_id("msg")
    when = occurred_at.isoformat(timespec="milliseconds")
    return Delivery(
        channel=channel,
        user=user,
        event=event,
        subject=str(facts.get("run") or facts.get("stack") or "")[:200],
        payload=payloads.body(event, facts, message_id, when),
        message_id=message_id,
        next_at=timezone.now(),
    )
