"""`manage.py seed_cloud`: an account, a region and two stacks to install, from standard input."""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from deployments.links import link
from deployments.management.commands.bootstrap import exempt, give_secrets
from omlsaas.lib.refusals import Refusal
from tenants import actors, services


class Command(BaseCommand):
    """Make what a JSON text describes; nothing is built yet."""

    help = (
        "Make a cloud account, a region, a shared environment and a tenant from a JSON text on "
        "standard input: {account, region, environment, tenant}, each with the fields of its "
        "service, the last two also with `inputs`. With `one_person` nothing there needs a second "
        "person. Secrets that they need are generated. Prints "
        "name and address of each of the two. For demonstrations."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """All of it or nothing."""
        try:
            wanted = json.load(sys.stdin)
            account, region = wanted["account"], wanted["region"]
            environment, tenant = wanted["environment"], wanted["tenant"]
        except (ValueError, KeyError, TypeError) as problem:
            raise CommandError(f"standard input is not what `help` tells: {problem}") from None
        actor = actors.system("seed_cloud", origin="manage.py seed_cloud")
        try:
            with transaction.atomic():
                made = services.create_account(actor, **account)
                if wanted.get("one_person"):
                    exempt(actor, made.public_id, "a demonstration: one person tries it out")
                place = services.create_region(actor, account=made, **region)
                shared = self.make(actor, "environment", region=place, **environment)
                self.make(actor, "tenant", region=place, shared_environment=shared, **tenant)
        except Refusal as refusal:
            raise CommandError(str(refusal)) from None

    def make(self, actor: actors.Actor, what: str, *, inputs: dict[str, Any], **fields: Any) -> Any:
        """Make one of the two with its inputs and secrets, and print where it is."""
        create = {
            "environment": services.create_shared_environment,
            "tenant": services.create_tenant,
        }
        thing = create[what](actor, **fields)
        give_secrets(actor, thing)
        services.save_inputs(actor, thing.stack, inputs)
        self.stdout.write(f"{thing.name}\t{link(what, thing.public_id)}")
        return thing
