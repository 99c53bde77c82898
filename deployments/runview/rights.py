"""What the person at the page may do with the run, and who else may."""

from collections.abc import Collection
from dataclasses import dataclass

from deployments.models import Run
from deployments.runview.words import either
from tenants.access import people_over, user_can
from tenants.models import Stack, User

NAMES_SHOWN = 3


@dataclass(frozen=True)
class Rights:
    """The person's rights over this run's stack."""

    decide: bool
    force: bool
    admin: bool
    change: bool
    plan: bool
    restore: bool
    secrets: bool


def rights_of(user: User, run: Run) -> Rights:
    """Return what this person may do here."""
    stack = run.stack
    return Rights(
        decide=user_can(user, run.action_kind, stack),
        force=user_can(user, "force_unlock", stack),
        admin=user_can(user, "admin", stack),
        change=user_can(user, "change", stack),
        plan=user_can(user, "plan", stack),
        restore=user_can(user, "restore", stack),
        secrets=user_can(user, "secrets", stack),
    )


def who_may(kind: str, stack: Stack, besides: Collection[str] = ()) -> str:
    """Return the names of people who may do this kind of action here, as a sentence has them.

    `besides` are the public ids of those who are left out.
    """
    people = people_over(stack, kind)
    people = people.exclude(public_id__in=besides) if besides else people
    # Those with a role of their own here are nearer than whoever administers everything.
    people = people.order_by("is_superuser", "username")[: NAMES_SHOWN + 20]
    return either([person.display_name for person in people], NAMES_SHOWN)
