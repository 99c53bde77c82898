"""The sealed bundle of a plan: what was planned is what is applied."""

import hashlib
import json
from typing import Any

import orjson
import zstandard
from django.conf import settings
from django.db import transaction

from deployments import facts
from deployments.models import Plan, Run
from deployments.runner import terraform, workdir
from deployments.runner.plans import plan_view
from deployments.runner.tail import without_nul
from deployments.steps import engine, states
from deployments.work import Work
from tenants import secrets
from tenants.blueprints import Kind


def bound_to(run: Run) -> str:
    """Return what a bundle's ciphertext is bound to."""
    return f"plan:{run.public_id}:bundle"


def seal(work: Work) -> None:
    """Store the plan: masked for people, and encrypted whole for the apply."""
    run = work.run
    content = (engine.module(work) / terraform.PLAN_FILE).read_bytes()
    shown = orjson.loads(engine.read(work, engine.commands().show_plan(), "plan.json"))
    sensitive = {name for name, variable in work.kind.variables.items() if variable.sensitive}
    found = plan_view(shown, sensitive)
    state = states.read_or_none(work)
    made_on = {**facts.portal_facts(run.stack), **host_facts(), **states.serial_facts(state)}
    # What the plan was really made with, also when somebody changed an input meanwhile.
    made_on |= {
        "inputs_digest": run.inputs_digest,
        "secret_versions": run.secret_versions,
        "blueprint_digest": run.blueprint_digest,
    }
    if "shared_outputs_digest" in work.notes:
        made_on["shared_outputs_digest"] = work.notes["shared_outputs_digest"]
    key_id, bundle = secrets.encrypt(workdir.seal(work.folder.tf), bound_to(run))
    masked = json.dumps(work.redactor.tree(found["masked"])).encode()
    with transaction.atomic():
        work.fence()
        Plan.objects.update_or_create(
            run=run,
            defaults={
                "digest": hashlib.sha256(content).hexdigest(),
                "facts": made_on,
                "view": without_nul(work.redactor.tree(found["view"])),
                "masked_json": zstandard.compress(masked, 6),
                "bundle": bundle,
                "key_id": key_id,
            },
        )
        _note_counts(run, found["view"], work.kind)


def _note_counts(run: Run, view: dict[str, Any], kind: Kind) -> None:
    """Keep what the plan does in numbers; one that ends data asks for the name, like a destroy."""
    counts = view["counts"]
    run.to_create, run.to_update = counts["create"], counts["update"]
    run.to_replace, run.to_destroy = counts["replace"], counts["delete"]
    run.drift_count = len(view.get("drift", []))
    run.has_changes = view["has_changes"]
    ending = [r["address"] for r in view["resources"] if r["action"] in ("replace", "delete")]
    run.asks_name = run.asks_name or any(kind.holds(address) for address in ending)
    names = ["to_create", "to_update", "to_replace", "to_destroy", "drift_count", "has_changes"]
    run.save(update_fields=[*names, "asks_name"])


def host_facts() -> dict[str, Any]:
    """Return the facts that only the host at work can tell."""
    return {
        "terraform_version": terraform.version(settings.TERRAFORM_BIN),
        "provider_mirror": settings.PROVIDER_MIRROR,
    }


def unpack(work: Work) -> None:
    """Put the sealed folder back at the very path where it was planned."""
    plan = Plan.objects.get(run=work.run)
    workdir.remove(work.folder.tf)
    work.folder.make()
    workdir.unpack(secrets.decrypt(plan.key_id, plan.bundle, bound_to(work.run)), work.folder.tf)
    work.folder.write_cli_config(engine.mirror(work.kind))
