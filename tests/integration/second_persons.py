"""Runs that wait for a second person, and the people who ask and answer."""

import pytest

from deployments.models import Approval
from deployments.services import confirm_run, unlock_state
from deployments.services.approvalerrors import NeedsSecondPerson
from tenants import actors
from tenants.models import Stack
from tests.integration.test_run_page import CREATE, REPLACE, planned

WHY = "looked at it with the customer"


def actor(user):
    """Return a fresh actor, as each request makes one."""
    return actors.from_user(type(user).objects.get(pk=user.pk), origin="portal")


def by(user):
    """Return what a run keeps of who asked for it."""
    return {"actor_id": user.public_id, "actor_name": user.display_name}


def dangerous(acme, user, **more):
    """Return a run of this person that replaces what holds data, waiting for a yes."""
    return planned(acme, (REPLACE, CREATE), **by(user), **more)


def confirm(user, run, **more):
    """Say yes to a plan as this person."""
    return confirm_run(actor(user), run, has_read=True, typed_name=None, **more)


def asked(user, run):
    """Let the author confirm, so that somebody is asked."""
    with pytest.raises(NeedsSecondPerson):
        confirm(user, run)
    return Approval.objects.get(run=run, state="asked")


def forced_lock(acme, user):
    """Return a run without a plan that waits for a yes: forcing a lock open."""
    Stack.objects.filter(pk=acme.pk).update(state_lock={"id": "lock-1", "who": "eve@laptop"})
    return unlock_state(actor(user), acme, reason="dead", typed="acme")
