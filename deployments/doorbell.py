"""The doorbell: a Celery message that says "look". What to do stands in the database.

A message that is lost costs seconds, never a run: workers look for themselves as well.
"""

import logging

from celery import current_app
from django.conf import settings
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from deployments.models import Run
from tenants.models import Region

log = logging.getLogger(__name__)
UNREACHABLE = (KombuError, RedisError, OSError)


def queue_for(run: Run) -> str:
    """Return the queue whose workers may take the run up.

    A state on one host's disk binds the run to that host.
    """
    stack = run.stack
    if stack.backend == "local" and stack.state_host_id:
        return host_queue(stack.state_host_id)
    return region_queue(stack.region.slug)


def host_queue(host_id: str) -> str:
    """Return the queue of one worker host."""
    return f"host.{host_id}"


def region_queue(slug: str) -> str:
    """Return the common queue of one region."""
    return f"region.{slug}"


def ring_run(run: Run) -> None:
    """Tell the workers that a run can be taken up."""
    _send("deployments.work", [run.public_id], queue_for(run))


def ring_cancel(run: Run) -> None:
    """Tell the host at work that somebody wants the run to stop."""
    if run.host_id:
        _send("deployments.cancel", [run.public_id], host_queue(run.host_id))


def ring_admission(region_id: int) -> None:
    """Ask for another look at the runs that wait in a region."""
    slug = Region.objects.values_list("slug", flat=True).get(pk=region_id)
    _send("deployments.admit", [region_id], region_queue(slug))


def ring_instances() -> None:
    """Tell the workers that something waits for the instances repository."""
    _send("deployments.instances", [], "portal")


def _send(task: str, args: list, queue: str) -> None:
    try:
        current_app.send_task(task, args=args, queue=queue, retry=False, ignore_result=True)
    except UNREACHABLE as error:
        level = logging.DEBUG if settings.TESTING else logging.WARNING
        log.log(level, "the broker is not reachable (%s); workers look for themselves", error)
