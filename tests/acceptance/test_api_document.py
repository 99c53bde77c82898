"""The API does what its document says: tried by schemathesis, which reads nothing but that."""

import json
import os
import random
import re
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import zstandard
from django.contrib.auth.models import Group
from django.utils import timezone

from deployments.models import Approval, Plan, Run, StandingGrant, StateVersion, WorkerHost
from notices import services as notices
from notices.fanout import make_delivery
from tenants import hosts, secrets, services
from tenants.models import Release, Stack, User
from tests import factories
from tests.asgiserver import serving
from tests.lab import Lab, make_lab

CONFIG = Path(__file__).resolve().parents[1] / "schemathesis.toml"
HOOKS = CONFIG.with_name("schemahooks.py")
# Each request by itself, then chains of requests along the document's links.
# What neither of the two may, makes no chain: it is tried alone, as an admin.
FOR_ADMINS = "/(people|groups|roles|invitations|accounts|channels|deliveries|workers)"
PHASES = {
    "alone": ("--phases", "examples,coverage,fuzzing"),
    "chained": ("--phases", "stateful", "--exclude-path-regex", FOR_ADMINS),
}
SECONDS = 40
# So many of the links are followed at least; half of those that lead anywhere are usual.
FEWEST_LINKS = 20
LINKS = re.compile(r"API Links:\s*(\d+) covered")


def planned_run(stack: Stack) -> Run:
    """Return a run whose plan waits for a yes."""
    run = factories.make_run(stack, "planned", planned_at=timezone.now())
    masked = zstandard.compress(b'{"resource_changes": []}')
    Plan.objects.create(run=run, digest="d" * 64, masked_json=masked, view={})
    return run


def seed(lab: Lab) -> dict[str, Any]:
    """Make one of everything that an address can name; return the ids by parameter."""
    stack, system = lab.stack(), lab.actor
    own = services.create_tenant(
        system, name="inhouse", region=lab.region, blueprint="omnileads-hosts"
    )
    host = hosts.add_host(system, own.stack, name="one", role=_role(own), address="192.0.2.7")
    spare = services.create_tenant(
        system, name="spare", region=lab.region, shared_environment=lab.environment,
        blueprint="lab",
    )  # fmt: skip
    done = factories.make_run(stack, "applied")
    planned = planned_run(lab.stack("globex"))
    version = StateVersion(
        stack=stack, moment="after_apply", serial=3, lineage="x", digest="d", size=9
    )
    bound = f"state:{stack.public_id}:{version.public_id}"
    version.key_id, version.ciphertext = secrets.encrypt(b'{"resources": []}', bound)
    version.save()
    secrets.store(stack, "password", "s3cret-word", kind="output")
    return {
        "path": {
            "region_id": lab.region.public_id, "environment_id": lab.environment.public_id,
            "tenant_id": lab.acme.public_id, "stack_id": stack.public_id,
            "run_id": done.public_id, "version_id": version.public_id,
            "release_id": Release.objects.create(
                blueprint="lab", name="1.0", components={"app": "1"}
            ).public_id,
            "host_id": host.public_id, "component": "app", "name": "password",
            **_people_and_notices(lab),
        },
        "body": {
            "stack": stack.public_id, "region": lab.region.public_id,
            "environment": lab.environment.public_id, "tenants": lab.acme.public_id,
            "kept_by": User.objects.get(username="mel").public_id,
        },
        "operations": {
            "get_plan": {"run_id": planned.public_id},
            "reveal_output": {"stack_id": stack.public_id},
            "archive_tenant": {"tenant_id": spare.public_id},
            "unpin_component": {"tenant_id": lab.acme.public_id},
            "list_hosts": {"stack_id": own.stack.public_id},
            "add_host": {"stack_id": own.stack.public_id},
            "get_inventory": {"stack_id": own.stack.public_id},
            "read_inventory": {"stack_id": own.stack.public_id},
        },
    }  # fmt: skip


def _role(tenant: Any) -> str:
    return next(iter(hosts.rules_of(tenant.stack).roles))


def _people_and_notices(lab: Lab) -> dict[str, Any]:
    person = factories.make_user("mel")
    factories.make_user("ci", is_service=True)
    channel, _key = notices.create_channel(
        lab.actor, name="ops", kind="webhook", url="https://127.0.0.1/x"
    )
    delivery = make_delivery("test", {}, timezone.now(), channel=channel)
    delivery.save()
    Approval.objects.create(
        run=planned_run(lab.stack()), digest="d", risks=["destroy"],
        asked_by_id="usr_alice", asked_by="Alice",
    )  # fmt: skip
    grant = StandingGrant.objects.create(
        region=lab.region, stack=lab.stack(), may_destroy=True, reason="r", granted_by="Erin",
        ends_at=timezone.now() + timedelta(days=1),
    )  # fmt: skip
    worker = WorkerHost.objects.create(host_id="h1", name="h1", capacity=1)
    return {
        "account_id": lab.region.account.public_id, "user_id": person.public_id,
        "group_id": Group.objects.create(name="night").pk,
        "role_id": factories.give_role(person, "viewer").pk,
        "invitation_id": factories.make_invitation().public_id,
        "channel_id": channel.public_id, "delivery_id": delivery.public_id,
        "subscription_id": notices.subscribe(lab.actor, person, events=["run.lost"]).public_id,
        "grant_id": grant.public_id, "worker_id": worker.host_id,
    }  # fmt: skip


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("who", "phases"),
    [("operator", "alone"), ("operator", "chained"), ("narrow", "alone"), ("narrow", "chained"),
     ("admin", "alone")],
)  # fmt: skip
def test_the_api_keeps_to_its_document(who: str, phases: str, places, settings, tmp_path: Path):
    settings.API_RATE_ADDRESS = settings.API_RATE_TOKEN = settings.API_RATE_REFUSED = 10**9
    lab = make_lab()
    ids = seed(lab)
    user = factories.make_user("oscar", role="admin" if who == "admin" else "operator")
    narrow = {"kinds": ["view", "plan"], "places": [lab.region]} if who == "narrow" else {}
    token = factories.make_token(user, **narrow)[1]
    # The same cases each time, so that a change is judged by what it changes; API_SEED=random, or a
    # number that a failure told, explores others.
    wanted = os.environ.get("API_SEED") or "20261126"
    seed_ = random.SystemRandom().randrange(2**32) if wanted == "random" else int(wanted)
    program = Path(sys.executable).with_name("schemathesis")
    assert program.exists() or shutil.which("schemathesis")
    more = {"API_TOKEN": token, "API_IDS": json.dumps(ids), "SCHEMATHESIS_HOOKS": str(HOOKS)}
    with serving() as server:
        done = subprocess.run(
            [program, "--config-file", CONFIG, "run",
             f"http://{server.address}/api/v1/openapi.json", "--max-time", str(SECONDS),
             *PHASES[phases],
             "--max-examples", "6", "--seed", str(seed_), "--generation-database", "none",
             "--no-color"],
            env=os.environ | more, cwd=tmp_path, capture_output=True, text=True,
            timeout=240,
        )  # fmt: skip
    report = done.stdout[-12_000:].replace(token, "…")
    assert done.returncode == 0, f"seed {seed_}\n{report}\n{done.stderr[-2000:]}"
    print(report[-2500:])
    if phases == "chained":
        followed = int(LINKS.search(done.stdout)[1])
        assert followed >= FEWEST_LINKS, report
