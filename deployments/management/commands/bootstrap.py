"""`manage.py bootstrap`: an empty portal becomes one that can be tried out."""

import secrets as random
from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction

from deployments.services.approvals import change_policy
from deployments.services.foureyes import policy_in_force
from tenants import actors, blueprints, services
from tenants.models import CloudAccount, Membership, SharedEnvironment, Tenant, User

ALPHABET = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKMNPQRSTUVWXYZ23456789"


class Command(BaseCommand):
    """Make an admin and the lab, each only where there is none yet."""

    help = "Create an admin with a generated password, and the lab with two tenants, once."

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the password once; nothing when everything is there."""
        with transaction.atomic():
            password = self.make_admin()
            self.make_lab()
        if password:
            self.stdout.write("")
            self.stdout.write(self.style.SUCCESS("  Sign in as  admin"))
            self.stdout.write(self.style.SUCCESS(f"  Password    {password}"))
            self.stdout.write("  It is shown this once; change it in the profile page.")
            self.stdout.write("")

    def make_admin(self) -> str:
        """Return the new admin's password; empty when the portal has users."""
        if User.objects.exists():
            return ""
        password = "".join(random.choice(ALPHABET) for _ in range(16))
        admin = User.objects.create_superuser("admin", "admin@localhost.localdomain", password)
        Membership.objects.create(user=admin, role="admin", everything=True)
        return password

    def make_lab(self) -> None:
        """Make account, region, shared environment and two tenants of the lab blueprint."""
        if CloudAccount.objects.exists() or "lab" not in blueprints.names():
            return
        actor = actors.system("bootstrap", origin="manage.py bootstrap")
        account = services.create_account(actor, name="lab", provider="lab")
        exempt(actor, account.public_id, "the lab: one person tries everything out")
        region = services.create_region(
            actor, account=account, slug="lab", title="This machine", domain_name="lab.example.net"
        )
        shared = services.create_shared_environment(
            actor, name="sharedlab", title="The lab's network", region=region, blueprint="lab"
        )
        for name, title in (("acme", "Acme Corporation"), ("globex", "Globex")):
            tenant = services.create_tenant(
                actor,
                name=name,
                title=title,
                region=region,
                shared_environment=shared,
                blueprint="lab",
            )
            give_secrets(actor, tenant)
        give_secrets(actor, shared)


def exempt(actor: actors.Actor, account_id: str, reason: str) -> None:
    """Let one person do everything in an account that is there to try things out."""
    now = policy_in_force()
    change_policy(
        actor,
        risks=now.risks,
        exempt_accounts=[*now.exempt_accounts, account_id],
        valid_minutes=now.valid_minutes,
        reason=reason,
    )


def give_secrets(actor: actors.Actor, thing: Tenant | SharedEnvironment) -> None:
    """Give the stack a random value for each secret that it cannot do without."""
    kind = blueprints.load(thing.blueprint).kinds[thing.stack.kind]
    needed = [v.name for v in kind.inputs if v.sensitive and v.required]
    values = {name: "".join(random.choice(ALPHABET) for _ in range(20)) for name in needed}
    for name, value in values.items():
        services.set_secret(actor, thing.stack, name, value)
