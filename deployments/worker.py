"""One worker process: the runs in its hands, and the thread that looks for what was forgotten.

The reconciler needs the database only. Every few seconds it tells that this host lives, adopts
steps of this host whose worker died or was silent past its lease, and takes up queued runs
whose doorbell was never heard.
"""

import logging
import threading
import time
from datetime import timedelta

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import OperationalError, connection
from django.db.models import Case, F, Q, When
from django.db.models.functions import Now
from django.utils import timezone

from deployments import evidence, execution, identity
from deployments.compactor import Compactor
from deployments.errors import InMaintenance, RegionFull, WorkerFull
from deployments.models import Run, RunStep, WorkerHost
from deployments.runner import process, terraform, workdir
from deployments.runstatus import CLAIMABLE
from deployments.services.admission import admit_waiting, keep_waiting
from deployments.work import Fenced, Stopping, Work
from omlsaas import __version__

log = logging.getLogger(__name__)
LOOK_EVERY_S = 1.0
HEARTBEAT_EVERY_S = 5.0
SWEEP_EVERY_S = 60.0
# A run that is queued for longer than this was not heard of through the broker.
UNHEARD_AFTER = timedelta(seconds=3)
MAX_CRASHES = 3


class Worker:
    """The runs that this process minds, and its reconciler."""

    def __init__(self) -> None:
        self.identity = identity.WorkerIdentity()
        self.stop = threading.Event()
        self.hands: dict[str, threading.Thread] = {}
        self.crashes: dict[str, int] = {}
        self.lock = threading.Lock()
        # No lease is judged until one lease time after the database came (back).
        self.database_since = time.monotonic() - settings.LEASE_S
        self.thread = threading.Thread(target=self._reconcile, name="reconciler", daemon=True)
        self.compactor = Compactor()
        self.heartbeat_at = self.sweep_at = 0.0

    def start(self) -> None:
        """Begin to look for forgotten work."""
        self.thread.start()
        self.compactor.start()

    def shut_down(self, wait_s: float = 4.0) -> None:
        """Let everything go: each minder flushes, gives its lease up and returns."""
        self.stop.set()
        self.compactor.shut_down()
        until = time.monotonic() + wait_s
        while self.hands and time.monotonic() < until:
            time.sleep(0.02)
        self.identity.release()

    # -- doing -------------------------------------------------------------------------------

    def work(self, public_id: str) -> None:
        """Take a queued run up, if it is still to be had, and do it in this thread."""
        if self.stop.is_set():
            return
        if not self._take(public_id):
            self._tell_full(public_id)
            return
        try:
            work = execution.claim(public_id, self.identity.id)
            if work is not None:
                work.stop = self.stop
                self._drive(work)
        finally:
            self._put_down(public_id)

    def adopt(self, step: RunStep) -> None:
        """Go on with a step that another worker left, in this thread."""
        run = Run.objects.with_stack().get(pk=step.run_id)
        work = Work(run, self.identity.id, stop=self.stop, step=step)
        try:
            self._drive(work)
        finally:
            self._put_down(run.public_id)

    def _drive(self, work: Work) -> None:
        name = work.run.public_id
        try:
            execution.drive(work)
            self.crashes.pop(name, None)
        except Stopping:
            log.info("%s: left to the next worker", work.run)
        except Fenced:
            log.warning("%s: another worker has taken it over", work.run)
        except OperationalError as problem:
            # No fault of ours: its lease runs out, and it is adopted when the database is back.
            log.warning("%s: left until the database is there: %s", work.run, problem)
        except Exception:
            log.exception("%s (%s): the portal failed", work.run, name)
            self._crashed(work)
        finally:
            connection.close()
        if work.run.is_ended:
            self.compactor.tell()

    def _crashed(self, work: Work) -> None:
        """Try again by adoption; after the third time stop the process and end the run."""
        name = work.run.public_id
        self.crashes[name] = self.crashes.get(name, 0) + 1
        if self.crashes[name] < MAX_CRASHES:
            RunStep.objects.filter(pk=work.step.pk if work.step else None).update(
                lease_until=timezone.now() + timedelta(seconds=2)
            )
            return
        if work.step is not None:
            process.request_cancel(work.step_dir(work.step), "graceful", "portal failed")
            process.kill_marked(name) if not process.is_alive(work.step_dir(work.step)) else None
        execution.fail_run(work)

    def _take(self, public_id: str) -> bool:
        with self.lock:
            if public_id in self.hands or len(self.hands) >= settings.WORKER_CAPACITY:
                return False
            self.hands[public_id] = threading.current_thread()
            return True

    def _tell_full(self, public_id: str) -> None:
        """Say on a queued run that every slot is taken; the reconciler of a free one takes it."""
        if public_id in self.hands:
            return
        why = WorkerFull(capacity=settings.WORKER_CAPACITY)
        queued = Run.objects.filter(public_id=public_id, status__in=CLAIMABLE)
        if run := queued.first():
            keep_waiting(run, why)

    def _put_down(self, public_id: str) -> None:
        with self.lock:
            self.hands.pop(public_id, None)
        connection.close()

    # -- looking -----------------------------------------------------------------------------

    def _reconcile(self) -> None:
        was_there = True
        while not self.stop.is_set():
            try:
                if not was_there:
                    connection.close()
                    connection.ensure_connection()
                    self.database_since, was_there = time.monotonic(), True
                self._look()
            except DatabaseError as problem:
                if was_there:
                    log.warning("the database is not there: %s", problem)
                was_there = False
            except Exception:
                log.exception("the reconciler failed; it goes on")
            finally:
                connection.close()
            self.stop.wait(LOOK_EVERY_S)

    def _look(self) -> None:
        now = time.monotonic()
        if now >= self.heartbeat_at:
            self.heartbeat_at = now + HEARTBEAT_EVERY_S
            beat(len(self.hands))
        self._adopt_forgotten(now)
        self._take_unheard()
        process.reap()
        if now >= self.sweep_at:
            self.sweep_at = now + SWEEP_EVERY_S
            evidence.sweep_folders()

    def _adopt_forgotten(self, now: float) -> None:
        """Adopt open steps of this host: at once when their worker is dead, else past the lease."""
        steps = RunStep.objects.filter(host_id=identity.host_id(), ended_at__isnull=True)
        may_judge = now - self.database_since >= settings.LEASE_S
        for step in steps:
            overdue = step.lease_until is None or step.lease_until < timezone.now()
            dead = step.worker_id != self.identity.id and identity.is_dead(step.worker_id)
            if not dead and not (overdue and (may_judge or step.worker_id == self.identity.id)):
                continue
            self._adopt(step)

    def _adopt(self, step: RunStep) -> None:
        public_id = Run.objects.values_list("public_id", flat=True).get(pk=step.run_id)
        if not self._take(public_id):
            return
        mine = RunStep.objects.filter(pk=step.pk, epoch=step.epoch, ended_at__isnull=True)
        until = timezone.now() + timedelta(seconds=settings.LEASE_S)
        if not mine.update(epoch=F("epoch") + 1, worker_id=self.identity.id, lease_until=until):
            self._put_down(public_id)
            return
        step = RunStep.objects.get(pk=step.pk)
        log.info("adopting %s step %s (epoch %s)", public_id, step, step.epoch)
        threading.Thread(
            target=self.adopt, args=(step,), name=f"adopted {public_id}", daemon=True
        ).start()

    def _take_unheard(self) -> None:
        """Take up queued runs of which no message came; the broker may be down."""
        free = settings.WORKER_CAPACITY - len(self.hands)
        if free <= 0:
            return
        before = timezone.now() - UNHEARD_AFTER
        unheard = Run.objects.filter(status__in=CLAIMABLE).filter(_is_for_us())
        unheard = unheard.filter(
            Q(status="plan_queued", admitted_at__lt=before)
            | Q(status="apply_queued", confirmed_at__lt=before)
        )
        # What a claim held back a second ago comes last: it must not hide one that may begin.
        held = When(waiting__code__in=(RegionFull.__name__, InMaintenance.__name__), then=1)
        unheard = unheard.annotate(is_held=Case(held, default=0)).order_by("is_held", "id")
        for public_id in list(unheard.values_list("public_id", flat=True)[:free]):
            threading.Thread(
                target=self.work, args=(public_id,), name=f"unheard {public_id}", daemon=True
            ).start()
        self._admit_unheard()

    def _admit_unheard(self) -> None:
        """Look again at waiting runs of each region: what held them may have gone silently."""
        waiting = Run.objects.filter(
            status="pending", created_at__lt=timezone.now() - UNHEARD_AFTER
        )
        for region_id in waiting.order_by().values_list("region_id", flat=True).distinct():
            admit_waiting(region_id)


def _is_for_us() -> Q:
    """Return the condition for runs that this host may take up, as its queues would bring them."""
    local = Q(stack__backend="local")
    bound = local & Q(stack__state_host_id=identity.host_id())
    anywhere = ~local | Q(stack__state_host_id="")
    if settings.WORKER_REGIONS:
        anywhere &= Q(region__slug__in=settings.WORKER_REGIONS)
    return bound | anywhere


def beat(busy: int = 0) -> None:
    """Tell that this host lives, and what it sees of itself."""
    now = timezone.now()
    checks = {
        "terraform": "",
        "terraform_bin": settings.TERRAFORM_BIN,
        "busy": busy,
        "workdir_root": str(settings.WORKDIR_ROOT),
        "free_bytes": workdir.free_bytes(settings.WORKDIR_ROOT),
        "clock": now.isoformat(),
    }
    try:
        checks["terraform"] = terraform.version(settings.TERRAFORM_BIN)
    except terraform.TerraformUnusable as problem:
        checks["terraform_problem"] = problem.code
    values = {
        "name": identity.host_name(),
        "version": __version__,
        "capacity": settings.WORKER_CAPACITY,
        # The database's time: beside `clock` it tells how far this host's clock is off.
        "heartbeat_at": Now(),
        "checks": checks,
        # A host that speaks again is not gone; what was lost by that stays lost.
        "gone_at": None,
    }
    WorkerHost.objects.update_or_create(
        host_id=identity.host_id(), defaults=values, create_defaults={**values, "started_at": now}
    )
