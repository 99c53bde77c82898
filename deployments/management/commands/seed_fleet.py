"""`manage.py seed_fleet`: a fleet on paper, for measurements and tests only."""

import json
import random
import secrets
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from deployments.models import Run
from deployments.runstatus import RunStatus
from omlsaas.lib.ids import new_id
from tenants import blueprints
from tenants.models import (
    AuditEntry,
    CloudAccount,
    Membership,
    Region,
    Release,
    SharedEnvironment,
    Stack,
    Tenant,
    User,
)
from tenants.models.access import Role
from tenants.models.stacks import Condition

ACCOUNT = "seeded"
# The first region has three tenants of ten; the others share the rest.
REGIONS = ("seed-south", "seed-north", "seed-west", "seed-east")
FIRST_SHARE = 0.3
ENVIRONMENTS = 3
WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heron", "islet", "jade")
RARE = "Quillota"  # stands in the title of one tenant in a hundred
PEOPLE = ("Alice", "Bob", "Dora", "Emil")
BATCH = 2000
DAYS = 90


class Command(BaseCommand):
    """Write tenants and ended runs straight into the database, without building anything."""

    help = (
        "Fill the portal with tenants and ended runs that exist on paper only: for measurements. "
        "A second call adds what is missing. Never use it on a portal that manages something."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take how many of each there shall be."""
        parser.add_argument("--tenants", type=int, default=1000)
        parser.add_argument("--runs", type=int, default=10_000)
        parser.add_argument("--operator", default="", help="a user for the first region")
        parser.add_argument("--yes", action="store_true", help="also beside other tenants")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write, and print one JSON line: what there is now, and the operator's password."""
        others = Tenant.objects.exclude(region__account__name=ACCOUNT)
        if others.exists() and not options["yes"]:
            raise CommandError(
                "This portal has tenants of its own. What is seeded cannot be told from them in "
                "its lists and is never deleted: add --yes if that is meant."
            )
        self.random = random.Random(options["tenants"])  # noqa: S311 the same fleet each time
        with transaction.atomic():
            self.make_places()
            self.make_tenants(options["tenants"])
            self.make_runs(options["runs"])
            told = self.make_operator(options["operator"])
        with connection.cursor() as cursor:
            # What autovacuum would do a minute later.
            cursor.execute("VACUUM (ANALYZE)")
        told |= {"tenants": Tenant.objects.count(), "runs": Run.objects.count()}
        self.stdout.write(json.dumps(told))

    def make_places(self) -> None:
        """Make account, regions, shared environments and releases, where there are none."""
        name = next(n for n in blueprints.names() if "tenant" in blueprints.load(n).kinds)
        self.blueprint = blueprints.load(name)
        account, _ = CloudAccount.objects.get_or_create(name=ACCOUNT, provider="lab")
        self.regions = [
            Region.objects.get_or_create(
                slug=slug, defaults={"account": account, "domain_name": f"{slug}.example.net"}
            )[0]
            for slug in REGIONS
        ]
        self.environments: dict[int, list[SharedEnvironment]] = {}
        for region in self.regions:
            found = [self.make_environment(region, n) for n in range(ENVIRONMENTS)]
            self.environments[region.pk] = found
        self.releases = [
            Release.objects.get_or_create(blueprint=name, name=f"2.{minor}.0")[0]
            for minor in range(5)
        ]

    def make_environment(self, region: Region, number: int) -> SharedEnvironment:
        """Return a shared environment that counts as installed."""
        found, is_new = SharedEnvironment.objects.get_or_create(
            name=f"shared{region.slug.removeprefix('seed-')}{number}",
            defaults={"region": region, "blueprint": self.blueprint.name},
        )
        if is_new:
            Stack.objects.create(
                name=found.name,
                kind="shared",
                blueprint=found.blueprint,
                region=region,
                shared_environment=found,
                parent_environment=found,
                condition=Condition.IN_SERVICE,
                resource_count=14,
            )
        return found

    def make_tenants(self, wanted: int) -> None:
        """Add tenants with their stacks until there are so many."""
        seeded = Tenant.objects.filter(region__account__name=ACCOUNT)
        fresh = (self.tenant(number) for number in range(seeded.count(), wanted))
        for batch in batches(fresh):
            Tenant.objects.bulk_create(batch)
            Stack.objects.bulk_create([self.stack(tenant) for tenant in batch])

    def tenant(self, number: int) -> Tenant:
        """Return the tenant of this number, not stored."""
        share = number % 10 < FIRST_SHARE * 10
        region = self.regions[0] if share else self.regions[1 + number % (len(REGIONS) - 1)]
        word = WORDS[number % len(WORDS)]
        return Tenant(
            region=region,
            shared_environment=self.random.choice(self.environments[region.pk]),
            name=f"{word}-{number:05d}",
            title=f"{word.title()} {RARE if number % 100 == 0 else 'Company'} {number}",
            blueprint=self.blueprint.name,
            release=self.random.choice(self.releases),
            labels={"tier": self.random.choice(("gold", "silver", "bronze"))},
        )

    def stack(self, tenant: Tenant) -> Stack:
        """Return the tenant's stack, not stored: most are in service."""
        weights = {
            Condition.IN_SERVICE: 93, Condition.NOT_INSTALLED: 3,
            Condition.ERRORED: 2, Condition.DRIFT: 2,
        }  # fmt: skip
        (condition,) = self.random.choices(list(weights), list(weights.values()))
        is_there = condition != Condition.NOT_INSTALLED
        return Stack(
            name=tenant.name,
            kind="tenant",
            blueprint=tenant.blueprint,
            region=tenant.region,
            tenant=tenant,
            parent_environment=tenant.shared_environment,
            condition=condition,
            has_drift=condition == Condition.DRIFT,
            resource_count=21 if is_there else 0,
            applied_release=tenant.release.name if is_there else "",
            applied_at=self.moment(timezone.now()) if is_there else None,
        )

    def moment(self, now: datetime) -> datetime:
        """Return a time in the last DAYS days."""
        return now - timedelta(minutes=self.random.randrange(DAYS * 24 * 60))

    def make_runs(self, wanted: int) -> None:
        """Add ended runs, in turn over all seeded tenants, until there are so many."""
        stacks = Stack.objects.filter(kind="tenant", region__account__name=ACCOUNT)
        stacks = list(stacks.select_related("region", "tenant").order_by("pk"))
        have = Run.objects.filter(region__account__name=ACCOUNT).count()
        now = timezone.now()
        # Numbers count up per stack, so a stack's runs come round by round.
        fresh = (self.run(stacks[n % len(stacks)], n, wanted, now) for n in range(have, wanted))
        for batch in batches(fresh):
            Run.objects.bulk_create(batch)
            AuditEntry.objects.bulk_create([entry(run) for run in batch])
        Stack.objects.bulk_update(stacks, ["run_count"], batch_size=BATCH)
        # auto_now_add knows only the present.
        seeded = Run.objects.filter(region__account__name=ACCOUNT, created_at__gte=now)
        seeded.update(created_at=F("started_at") - timedelta(seconds=1))

    def run(self, stack: Stack, number: int, wanted: int, now: datetime) -> Run:
        """Return the stack's next run, ended, not stored; later numbers are later in time."""
        stack.run_count += 1
        actions = self.blueprint.kinds["tenant"].actions
        action = actions["install" if stack.run_count == 1 else "change"]
        ends = (RunStatus.APPLIED,) * 17 + (RunStatus.ERRORED, RunStatus.DISCARDED)
        started = now - timedelta(days=DAYS) * (1 - number / max(1, wanted))
        person = self.random.choice(PEOPLE)
        return Run(
            number=stack.run_count,
            stack=stack,
            region=stack.region,
            action=action.name,
            action_label=str(action.label),
            action_kind=action.kind,
            status=self.random.choice(ends),
            blueprint=stack.blueprint,
            reason=f"Change {number}",
            actor={"kind": "user", "id": f"usr_{person.lower()}", "name": person},
            actor_id=f"usr_{person.lower()}",
            actor_name=person,
            started_at=started,
            ended_at=started + timedelta(seconds=self.random.randrange(20, 900)),
            to_update=self.random.randrange(9),
            has_changes=True,
            log_state="pruned",
        )

    def make_operator(self, name: str) -> dict[str, str]:
        """Give a user the role of an operator over the first region, with a new password."""
        if not name:
            return {}
        password = secrets.token_urlsafe(12)
        user, _ = User.objects.get_or_create(
            username=name, defaults={"email": f"{name}@example.com"}
        )
        user.set_password(password)
        user.save()
        Membership.objects.get_or_create(user=user, role=Role.OPERATOR, region=self.regions[0])
        return {"operator": name, "password": password, "region": self.regions[0].slug}


def entry(run: Run) -> AuditEntry:
    """Return the audit entry of a run that was queued, not stored."""
    return AuditEntry(
        public_id=new_id("aud"),
        action="run.queue",
        actor_kind="user",
        actor_id=run.actor_id,
        actor_name=run.actor_name,
        role="operator",
        target_kind="run",
        target_id=run.public_id,
        target_name=f"{run.stack.name} #{run.number}",
        region_id=run.region_id,
        region_name=run.stack.region.slug,
        shared_environment_id=run.stack.parent_environment_id,
        tenant_id=run.stack.tenant_id,
        tenant_name=run.stack.name,
        run_id=run.public_id,
        run_name=f"{run.stack.name} #{run.number}",
        reason=run.reason,
    )


def batches(rows: Iterator[Any]) -> Iterator[list[Any]]:
    """Yield lists of up to BATCH rows."""
    while batch := list(islice(rows, BATCH)):
        yield batch
