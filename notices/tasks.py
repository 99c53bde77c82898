"""Celery's side of notices: hand on what happened, then send what is due."""

from celery import shared_task
from django.conf import settings

from notices import delivering, fanout

MOST_ROUNDS = 25


@shared_task(name="notices.send", ignore_result=True)
def send() -> None:
    """Hand on the outbox and send what is due; several at once share the work."""
    for _round in range(MOST_ROUNDS):
        if fanout.hand_on() < fanout.AT_ONCE:
            break
    delivering.deliver_due()


@shared_task(name="notices.prune", ignore_result=True)
def prune() -> None:
    """Remove notices and deliveries that are older than the settings say."""
    delivering.prune(settings.KEEP_DELIVERIES_DAYS, settings.KEEP_NOTICES_DAYS)
