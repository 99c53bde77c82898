"""What a worker has in hand while it does a run: the run, its folder, its fence."""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import OperationalError, transaction
from django.utils import timezone

from deployments import identity, outbox
from deployments.cloud import engines
from deployments.logs import Fenced, LogWriter
from deployments.models import Run, RunStep
from deployments.runner import terraform, workdir
from deployments.runner.redact import MIN_LENGTH, Redactor
from deployments.runner.tail import clean, without_nul
from tenants import actors, blueprints, secrets
from tenants.effective import shared_outputs
from tenants.models import Stack

log = logging.getLogger(__name__)
WORKER = actors.system("worker")
# A step's `inputs` where it has to find what runs, not what is wanted of it.
APPLIED = "applied"


class CancelAsked(Exception):
    """Somebody asked the run to stop, between two processes."""


class Stopping(Exception):
    """This worker is shutting down: give the lease up; the process goes on."""


@dataclass
class Work:
    """One run in the hands of one worker thread."""

    run: Run
    worker_id: str
    stop: threading.Event = field(default_factory=threading.Event)
    step: RunStep | None = None
    # What one piece tells the next within a phase; never needed after a take-over.
    notes: dict[str, Any] = field(default_factory=dict)
    writer: LogWriter | None = None

    @property
    def stack(self) -> Stack:
        """Return the stack that the run works on."""
        return self.run.stack

    @cached_property
    def kind(self) -> blueprints.Kind:
        """Return how the stack is built."""
        return blueprints.load(self.run.blueprint).kinds[self.stack.kind]

    @cached_property
    def folder(self) -> workdir.Workdir:
        """Return the run's private folder on this host."""
        return workdir.Workdir(settings.WORKDIR_ROOT, self.run.public_id)

    @cached_property
    def secret_values(self) -> dict[str, str]:
        """Return the input secrets by name, in the versions that the run was planned with."""
        return secrets.values(self.stack, self.run.secret_versions)

    def outputs(self) -> dict[str, Any]:
        """Return the stack's plain outputs as they stand now: an apply may just have made them."""
        rows = Stack.objects.values_list("outputs", flat=True)
        found = rows.get(pk=self.run.stack_id)
        return {name: output.get("value") for name, output in found.items()}

    def plain_inputs(self) -> dict[str, Any]:
        """Return the run's inputs that are no secrets, with the defaults of the HCL."""
        known = self.kind.variables.values()
        defaults = {v.name: v.default for v in known if v.has_default and not v.sensitive}
        return defaults | self.run.inputs

    def applied_inputs(self) -> dict[str, Any]:
        """Return the plain inputs that the stack runs with, whatever is wanted of it by now.

        What was applied without a value has its default; what has neither (the blueprint knows it
        only since) is as wanted, and so is all of a stack to which nothing was applied.
        """
        applied = Stack.objects.values_list("applied_inputs", flat=True).get(pk=self.stack.pk)
        if not applied:
            return self.plain_inputs()
        known = self.kind.variables
        wanted = self.plain_inputs()
        found = {name: wanted[name] for name, v in known.items() if name in wanted}
        found |= {name: v.default for name, v in known.items() if name in found and v.has_default}
        return found | {name: value for name, value in applied.items() if name in known}

    def inputs_for(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the plain inputs that a step works with: the wanted ones, or `inputs: applied`."""
        return self.applied_inputs() if params.get("inputs") == APPLIED else self.plain_inputs()

    def render(
        self,
        template: Any,
        quote: Callable[[str], str] | None = None,
        inputs: dict[str, Any] | None = None,
    ) -> Any:
        """Return parameters of a step with their look-ups filled. Raises LookupMissing.

        `inputs` are looked up in the place of the run's. Secrets are not among them: parameters
        are shown, and reach other machines.
        """
        run, stack = self.run, self.stack
        backups: dict[str, str] = {}
        for row in stack.backups.order_by("taken_at"):
            backups[row.component] = row.file
        context = {
            "inputs": self.plain_inputs() if inputs is None else inputs,
            "outputs": self.outputs(),
            "params": run.params,
            "shared": shared_outputs(stack),
            "backups": backups,
            "point": run.point or {},
            "hosts": self._addresses(),
            "stack": {"name": stack.name, "id": stack.public_id},
            "region": {"slug": stack.region.slug, "domain_name": stack.region.domain_name},
        }
        return blueprints.render(template, context, quote)

    def _addresses(self) -> dict[str, str]:
        """Return the address of the first host of each group."""
        rules, found = self.kind.hosts, {}
        for host in self.stack.hosts.living() if rules else ():
            for group in rules.groups_of(host.role):
                found.setdefault(group, host.address)
        return found

    def say(self, text: str, progress: dict[str, Any] | None = None) -> None:
        """Write lines of the portal's own into the run's log, without secrets.

        `progress` replaces what the page shows of the call. A database that is away delays them.
        """
        if self.writer is None or self.writer.step is not self.step:
            self.writer = LogWriter(self.step)
        lines = self.redactor.apply(clean(f"{text.rstrip()}\n".encode(errors="replace")))
        if progress is not None:
            progress = self.step.progress = without_nul(progress)
        self.writer.note(lines.decode(errors="replace"), progress)
        try:
            self.writer.flush()
        except OperationalError as problem:
            log.warning("%s: the database is not there, lines wait: %s", self.run, problem)

    def flush(self) -> None:
        """Store what `say` could not. Raises OperationalError while the database is away."""
        if self.writer is not None and self.writer.step is self.step:
            self.writer.flush()

    def find(self, finding: dict[str, Any]) -> None:
        """Keep what a step found on the run, once, for whoever decides."""
        kept = [one for one in self.run.findings if one["about"] != finding["about"]]
        self.run.findings = [*kept, finding]
        with transaction.atomic():
            self.fence()
            Run.objects.filter(pk=self.run.pk).update(findings=self.run.findings)

    @cached_property
    def redactor(self) -> Redactor:
        """Return what takes every known secret of the stack out of a log."""
        found = {*self.secret_values.values(), *secrets.known_values(self.stack)}
        found |= engines.secret_values(self.stack.region) | terraform.proxy_passwords()
        # Inputs are never shorter; an output that is cannot be told from ordinary text.
        return Redactor(value for value in found if len(value) >= MIN_LENGTH)

    def learn_secrets(self) -> None:
        """Let the redactor know what was stored just now, before anything can say it."""
        self.__dict__.pop("redactor", None)

    def step_dir(self, step: RunStep) -> Path:
        """Return the folder in which a step's supervisor keeps its files."""
        return Path(step.step_dir)

    def hold(self) -> dict[str, Any]:
        """Renew the lease of the step; return the run's cancel request.

        Raises Fenced when another worker has it.
        """
        until = timezone.now() + timedelta(seconds=settings.LEASE_S)
        self.fence(lease_until=until)
        row = Run.objects.values("cancel_requested_at", "cancel_mode", "cancel_by")
        return row.get(pk=self.run.pk)

    def fence(self, **fields: Any) -> None:
        """Write to the step, if it is still ours. Inside a transaction this guards all of it."""
        step = self.step
        mine = RunStep.objects.filter(pk=step.pk, epoch=step.epoch, ended_at__isnull=True)
        if not mine.update(**(fields or {"epoch": step.epoch})):
            raise Fenced(f"{self.run} step {step.number}")
        for name, value in fields.items():
            setattr(step, name, value)

    def check_cancel(self) -> None:
        """Renew the lease; raise CancelAsked when somebody asked the run to stop."""
        if self.hold()["cancel_requested_at"] is not None:
            raise CancelAsked

    def pause(self, seconds: float) -> None:
        """Wait inside a long call, minding shutdown, lease and cancel."""
        if self.stop.wait(seconds):
            # Another worker of this host goes on at once.
            self.fence(lease_until=timezone.now())
            raise Stopping
        self.check_cancel()

    def new_step(self, phase: str, position: int, kind: str, params: dict[str, Any]) -> RunStep:
        """Create the next step row, leased to this worker. Call inside the fenced transaction."""
        last = self.step or self.run.steps.order_by("-number").first()
        number = last.number + 1 if last else 1
        self.step = RunStep.objects.create(
            run=self.run,
            number=number,
            phase=phase,
            position=position,
            kind=kind,
            params=params,
            host_id=identity.host_id(),
            worker_id=self.worker_id,
            step_dir=str(self.folder.step_dir(number)),
            log_start=last.log_end if last else 0,
            log_end=last.log_end if last else 0,
            log_lines=last.log_lines if last else 0,
            lease_until=timezone.now() + timedelta(seconds=settings.LEASE_S),
        )
        outbox.put_step(self.step)
        return self.step
