"""What an applied run leaves for the instances repository: inputs, certificates, never a secret."""

import json
from functools import partial
from typing import Any

import yaml
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from deployments import doorbell
from deployments.models import InstancesRecord, Run, RunStep
from deployments.runner.redact import Redactor
from tenants import blueprints, inventory
from tenants.blueprints.stepkinds import PLAYBOOKS
from tenants.models import Stack, User

INPUTS, META, INVENTORY = "inputs.json", "meta.yml", "inventory.yml"
CERTIFICATE = "certificate-"
# How many playbooks back a certificate is looked for.
STEPS_ASKED = 20
NO_ADDRESS = "omlsaas.invalid"


def remote_of(run: Run) -> str:
    """Return the repository that takes the run's inputs: the region's, else everybody's."""
    return run.stack.region.instances_remote or settings.INSTANCES_REMOTE


def record_applied(run: Run, redactor: Redactor) -> InstancesRecord | None:
    """Write down what is to be committed for an applied run; a worker pushes it afterwards.

    A run that only renewed a certificate leaves what stood there before, with the new one. Call
    inside the transaction that ends the run. None where no repository is set, or nothing is left.
    """
    remote = remote_of(run)
    if not remote:
        return None
    if _leaves_inputs(run):
        files = {} if _removes(run) else _files(run, redactor)
    elif not (files := _renewed_files(run, remote)):
        return None
    name, email = _author(run)
    record = InstancesRecord.objects.create(
        run=run,
        stack=run.stack,
        remote=remote,
        folder=f"{run.stack.region.slug}/{run.stack.name}",
        files=files,
        message=redactor.text(_message(run)),
        author_name=name,
        author_email=email,
        next_try_at=timezone.now(),
    )
    transaction.on_commit(partial(doorbell.ring_instances))
    return record


def _leaves_inputs(run: Run) -> bool:
    """Tell whether a step makes what stands be what the run's inputs say."""
    return any(
        step["kind"] == "terraform.apply" or step.get("params", {}).get("leaves")
        for step in run.steps_wanted
    )


def certificates_of(stack: Stack) -> dict[str, str]:
    """Return the certificates that the stack's hosts use, as files, as playbooks told them last."""
    told = RunStep.objects.filter(
        run__stack=stack, kind__in=PLAYBOOKS, progress__has_key="certificates"
    )
    found: dict[str, str] = {}
    names = set(stack.hosts.living().values_list("name", flat=True))
    rows = told.order_by("-pk").values_list("progress__certificates", flat=True)
    # A run for some hosts alone tells nothing of the others.
    for certificates in rows[:STEPS_ASKED]:
        found = certificates | found
    return {f"{CERTIFICATE}{name}.pem": pem for name, pem in found.items() if name in names}


def _renewed_files(run: Run, remote: str) -> dict[str, str]:
    """Return what stands in the repository with the certificates that the run told, if it did."""
    told = run.steps.filter(kind__in=PLAYBOOKS).values_list("progress__certificates", flat=True)
    last = InstancesRecord.objects.filter(stack=run.stack, remote=remote).first()
    if not any(told) or last is None or not last.files:
        return {}
    kept = {name: text for name, text in last.files.items() if not name.startswith(CERTIFICATE)}
    return kept | certificates_of(run.stack)


def _removes(run: Run) -> bool:
    """Tell whether nothing of the stack is left after the run."""
    left = (step.get("params", {}).get("leaves") for step in run.steps_wanted)
    return run.is_destroy or "removed" in left


def _files(run: Run, redactor: Redactor) -> dict[str, str]:
    """Return inputs and facts as texts; in the place of a secret stands which version it is."""
    stack = run.stack
    secrets = {name: f"secret:{name}#{version}" for name, version in run.secret_versions.items()}
    inputs = redactor.tree({**run.inputs, **secrets})
    facts: dict[str, Any] = {
        "stack": stack.name,
        "kind": stack.kind,
        "id": stack.public_id,
        "region": stack.region.slug,
        "blueprint": run.blueprint,
        "blueprint_digest": run.blueprint_digest,
        "release": run.release_name,
        "run": run.number,
        "run_id": run.public_id,
        "action": run.action,
        "terraform": run.terraform_version,
        "state": stack.backend,
        "requested_by": run.actor_name,
        "confirmed_by": run.confirmed_by,
        "applied_at": timezone.now().isoformat(timespec="seconds"),
    }
    text = json.dumps(inputs, indent=2, sort_keys=True, ensure_ascii=False)
    told = yaml.safe_dump(facts, sort_keys=False, allow_unicode=True)
    rules = blueprints.load(run.blueprint).kinds[stack.kind].hosts
    found = {INPUTS: f"{text}\n", META: told}
    if rules is not None:
        found[INVENTORY] = inventory.export(stack.hosts.living(), rules, inputs)
        found |= certificates_of(stack)
    return found


def _message(run: Run) -> str:
    lines = [f"{run.stack.name}: {run.action_label} (run {run.number})", ""]
    if run.reason:
        lines += [run.reason, ""]
    lines.append(f"Run: {run.public_id}")
    if run.confirmed_by:
        lines.append(f"Confirmed-by: {run.confirmed_by}")
    return "\n".join(lines) + "\n"


def _author(run: Run) -> tuple[str, str]:
    """Return name and address of who asked for the run."""
    user = User.objects.filter(public_id=run.actor_id).first()
    if user is not None and user.email:
        return run.actor_name, user.email
    return run.actor_name, f"{run.actor_id.replace(':', '-')}@{NO_ADDRESS}"
