"""`manage.py adopt DIR`: take a tenant over from a directory of the deployer before this one."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError
from django.utils.translation import gettext as _

from deployments.management.output import NOT_RUNNING
from omlsaas.lib.refusals import Refusal
from tenants import actors, adoption, audit
from tenants import services as tenants_services
from tenants.adoption import Preview
from tenants.errors import AdoptionRefused
from tenants.models import Region, SharedEnvironment, User

TAKEN, UNREACHABLE, REFUSED = 0, 1, 2


class Command(BaseCommand):
    """Show what would be taken over, and take it over; the directory is only read."""

    help = (
        "Take a tenant over: DIR holds its .auto.tfvars file and its state (terraform state pull > "
        "terraform.tfstate). Exit codes: 0 taken over, or shown with --dry-run; 1 the portal is "
        "not reachable; 2 refused, nothing was kept."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the directory and the place."""
        parser.add_argument("directory", type=Path)
        parser.add_argument("--region", required=True, help=_("name of the region"))
        parser.add_argument("--shared-environment", required=True, help=_("its name"))
        parser.add_argument("--blueprint", default="", help=_("unless the shared environment's"))
        parser.add_argument("--title", default="", help=_("the customer"))
        parser.add_argument(
            "--actor", default="system:shell", help=_("a user name, system:cron or system:shell")
        )
        parser.add_argument("--reason", default="", help=_("kept in the audit trail"))
        parser.add_argument("--dry-run", action="store_true", help=_("only show"))
        parser.add_argument("--json", action="store_true", help=_("one JSON object"))

    def handle(self, *args: Any, **options: Any) -> None:
        """Show, keep, tell; exit with the code that `help` tells."""
        try:
            row, preview = self._do(options)
        except Refusal as refusal:
            self._leave(options, REFUSED, refusal.code, str(refusal))
        except User.DoesNotExist:
            text = _("There is no active user “%s”.") % options["actor"]
            self._leave(options, REFUSED, "UnknownActor", text)
        except DatabaseError:
            self._leave(options, UNREACHABLE, "PortalNotRunning", NOT_RUNNING)
        if options["json"]:
            self.stdout.write(json.dumps({**row, "exit_code": TAKEN}, default=str))
            return
        for line in lines_of(preview):
            self.stdout.write(line)
        if "tenant_id" in row:
            text = _("%s was taken over. Its state stays where it is.") % preview.name
            self.stdout.write(text)

    def _do(self, options: dict[str, Any]) -> tuple[dict[str, Any], Preview]:
        actor = actors.from_shell(options["actor"]).because(options["reason"])
        region, environment = self._place(actor, options)
        blueprint = options["blueprint"] or environment.blueprint
        kind = tenants_services.blueprint_kind(blueprint, "tenant")
        folder = options["directory"]
        if kind.adoption is None:
            why = _("the blueprint %s does not say how (adopt.yaml).") % blueprint
            raise AdoptionRefused(name=folder, why=why)
        files = adoption.read_folder(folder, kind.adoption)
        preview = adoption.preview_tenant(kind, region, environment, *files)
        row = preview.to_json()
        if options["dry_run"]:
            audit.took(actor, "adoption preview", region, tenant=preview.name)
        if not options["dry_run"]:
            tenant = adoption.adopt_tenant(
                actor,
                preview,
                region=region,
                blueprint=blueprint,
                shared_environment=environment,
                title=options["title"],
            )
            row["tenant_id"] = tenant.public_id
        return row, preview

    def _place(
        self, actor: actors.Actor, options: dict[str, Any]
    ) -> tuple[Region, SharedEnvironment]:
        """Return region and shared environment by name, as far as the actor may see them."""
        regions = Region.objects.select_related("account").living()
        environments = SharedEnvironment.objects.select_related("region").living()
        if actor.user is not None:
            regions = regions.visible_to(actor.user)
            environments = environments.visible_to(actor.user)
        region = regions.filter(slug=options["region"]).first()
        environment = environments.filter(name=options["shared_environment"]).first()
        for found, name in ((region, "region"), (environment, "shared_environment")):
            if found is None:
                why = _("there is no such place that you may see.")
                raise AdoptionRefused(name=options[name], why=why)
        return region, environment

    def _leave(self, options: dict[str, Any], code: int, error: str, text: str) -> None:
        if options["json"]:
            self.stdout.write(json.dumps({"error": error, "text": text, "exit_code": code}))
        else:
            self.stderr.write(text)
        raise SystemExit(code)


def lines_of(preview: Preview) -> list[str]:
    """Return a preview as lines for people; of secrets the names alone."""
    state = preview.state
    lines = [
        _("Tenant %(name)s, time zone %(zone)s")
        % {"name": preview.name, "zone": preview.time_zone or "–"},
        _("State: serial %(serial)s of Terraform %(version)s, %(count)s resources")
        % {
            "serial": state.serial,
            "version": state.terraform_version,
            "count": state.resource_count,
        },
    ]
    for title, rows in ((_("Inputs"), preview.inputs), (_("Versions"), preview.versions)):
        lines += ["", title] + [
            f"  {taken.name} = {json.dumps(taken.value, ensure_ascii=False)}"
            + (f"  ({taken.note})" if taken.note else "")
            for taken in rows
        ]
    lines += ["", _("Secrets")]
    lines += [f"  {one.name}" + (f"  ({one.note})" if one.note else "")
              for one in preview.secrets_taken]  # fmt: skip
    lines += ["", _("Outputs")] + [f"  {name} = {v}" for name, v in preview.outputs.items()]
    lines += ["", _("Not taken")] + [f"  {one.old}: {one.why}" for one in preview.dropped]
    lines += ["", _("Resources known here")]
    lines += [f"  {known.old} → {known.to or '–'}" for known in preview.resources]
    lines += ["", _("Resources without a counterpart"), *(f"  {old}" for old in preview.left)]
    if preview.lacking:
        lines += ["", _("Still to be given before a conversion: %s") % ", ".join(preview.lacking)]
    return lines
