"""The Celery application: a doorbell with one queue per region and one per worker host."""

import os

from celery import Celery
from celery.signals import celeryd_init
from kombu import Exchange, Queue

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "omlsaas.settings")

app = Celery("omlsaas")
app.conf.update(
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={
        "socket_connect_timeout": 2,
        "socket_timeout": 10,
        # Regions in turn: one with many runs does not hold the others up.
        "queue_order_strategy": "round_robin",
    },
    worker_prefetch_multiplier=1,
    task_acks_late=False,
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    task_default_queue="portal",
    worker_hijack_root_logger=False,
    worker_enable_remote_control=True,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    timezone="UTC",
    beat_schedule={
        "reap": {"task": "deployments.reap", "schedule": 15.0, "options": {"expires": 30}},
        "instances": {
            "task": "deployments.instances",
            "schedule": 60.0,
            "options": {"expires": 60},
        },
        "seal": {"task": "deployments.seal", "schedule": 3.0, "options": {"expires": 6}},
        "notices": {"task": "notices.send", "schedule": 3.0, "options": {"expires": 6}},
        "prune_notices": {
            "task": "notices.prune",
            "schedule": 3600.0,
            "options": {"expires": 3600},
        },
        "prune": {"task": "deployments.prune", "schedule": 3600.0, "options": {"expires": 3600}},
    },
)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["deployments", "notices"])


@celeryd_init.connect
def _choose_queues(instance=None, conf=None, options=None, **kwargs: object) -> None:
    """Listen to this host's queue, the portal's, and those of the regions it works for.

    WORKER_REGIONS empty is all that exist at the start; a region that is made later is served by
    the reconciler until the next start.
    """
    from django.conf import settings

    from deployments import doorbell, identity
    from tenants.models import Region
    from tenants.secrets import require_keys

    require_keys()
    slugs = settings.WORKER_REGIONS or list(Region.objects.living().values_list("slug", flat=True))
    names = ["portal", doorbell.host_queue(identity.host_id())]
    names += [doorbell.region_queue(slug) for slug in slugs]
    conf.task_queues = [Queue(name, Exchange(name), routing_key=name) for name in names]
