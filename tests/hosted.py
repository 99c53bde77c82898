"""A tenant on hosts that this machine's own sshd stand for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployments import logstore
from deployments.models import Run
from deployments.services import queue_run
from tenants import actors, hosts, services
from tenants.actors import Actor
from tenants.models import Host, Stack
from tests.factories import make_region
from tests.sshhosts import Sshd

PASSWORD = "pass{{word}}-of-acme-91"


@dataclass
class Hosted:
    """The tenant acme with its two hosts, and the folder that they write to."""

    actor: Actor
    place: Path
    machines: dict[str, Sshd]

    def stack(self) -> Stack:
        """Return the stack as the database has it."""
        return Stack.objects.select_related("region__account").get(name="acme")

    def host(self, name: str = "app-one") -> Host:
        """Return a host as the database has it."""
        return Host.objects.living().get(stack__name="acme", name=name)

    def queue(self, action: str, **more: Any) -> Run:
        """Queue an action as the system."""
        return queue_run(self.actor, self.stack(), action, typed_name="acme", **more)

    def pin_all(self) -> None:
        """Confirm whatever the hosts showed last."""
        for host in self.stack().hosts.living():
            if host.offered_key:
                hosts.pin_key(self.actor, host, host.offered_fingerprint)

    def file(self, name: str, host: str = "app-one") -> Path:
        """Return a file that the playbook writes on a host."""
        return self.place / host / name


def make_hosted(place: Path, machines: dict[str, Sshd]) -> Hosted:
    """Make the tenant acme with a host for each machine; nobody knows their keys yet."""
    actor = actors.system("test")
    place.mkdir(exist_ok=True)
    tenant = services.create_tenant(
        actor, name="acme", region=make_region(slug="site"), blueprint="hosted"
    )
    stack = tenant.stack
    stack.desired_inputs = {"place": str(place)}
    stack.save()
    services.set_secret(actor, stack, "password", PASSWORD)
    for name, machine in machines.items():
        hosts.add_host(
            actor, stack, name=name, role=name.partition("-")[0], address="127.0.0.1",
            lan_address=f"lan-{name}", port=machine.port, ssh_key=machine.key,
            python="/usr/bin/python3",
        )  # fmt: skip
    return Hosted(actor, place, machines)


def do(worker: Any, run: Run) -> Run:
    """Let the worker do all that it can."""
    worker.work(run.public_id)
    return Run.objects.with_stack().get(pk=run.pk)


def log_of(run: Run) -> str:
    """Return the stored log."""
    return logstore.read(run.pk, 0, 10_000_000).decode()
