"""The lab as `manage.py bootstrap` makes it, and ways to run it without Celery."""

from dataclasses import dataclass

from deployments.models import Run
from deployments.services import queue_run
from tenants import actors, services
from tenants.actors import Actor
from tenants.models import Region, SharedEnvironment, Stack, Tenant
from tests.factories import make_region

# What the shared environment's outputs look like to a tenant, without installing it first.
SHARED_OUTPUTS = {
    "network_id": "net-1",
    "subnets": {"a": "sub-a", "b": "sub-b"},
    "dns_zone": "lab.example.net",
    "certificate_id": "cert-1",
    "sbc_address": "sbc.lab.example.net:5061",
    "rtp_addresses": ["198.51.100.20"],
}
SECRET = "s3cret-of-acme-91"


@dataclass
class Lab:
    """The stacks of the lab and the actor that made them."""

    actor: Actor
    region: Region
    environment: SharedEnvironment
    acme: Tenant
    globex: Tenant

    def stack(self, name: str = "acme") -> Stack:
        """Return a stack as the database has it."""
        return Stack.objects.select_related("region__account").get(name=name)

    def queue(self, action: str = "install", name: str = "acme", **more: object) -> Run:
        """Queue an action as the system."""
        return queue_run(self.actor, self.stack(name), action, typed_name=name, **more)


def make_lab() -> Lab:
    """Make account, region, environment and tenants; the environment counts as installed."""
    actor = actors.system("test")
    region = make_region(slug="lab", domain_name="lab.example.net")
    environment = services.create_shared_environment(
        actor, name="sharedlab", region=region, blueprint="lab"
    )
    install_on_paper(environment, SHARED_OUTPUTS)
    made = {}
    for name in ("acme", "globex"):
        made[name] = services.create_tenant(
            actor, name=name, region=region, shared_environment=environment, blueprint="lab"
        )
        services.set_secret(actor, made[name].stack, "admin_password", SECRET)
        save_plain(made[name].stack, {"delay_ms": 0})
    return Lab(actor, region, environment, **made)


def save_plain(stack: Stack, values: dict[str, object]) -> None:
    """Set desired inputs without asking Terraform about them."""
    stack.desired_inputs = {**stack.desired_inputs, **values}
    stack.save(update_fields=["desired_inputs"])


def install_on_paper(environment: SharedEnvironment, outputs: dict[str, object]) -> None:
    """Let a shared environment count as installed with these outputs."""
    stack = environment.stack
    stack.resource_count = 14
    stack.outputs = {name: {"value": value} for name, value in outputs.items()}
    stack.save()
