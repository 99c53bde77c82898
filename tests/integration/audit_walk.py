"""What is posted to every address of the portal and the administration, and what it must leave.

A new address, form or action without a row here fails `test_audit_walk.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any

from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from deployments import facts
from deployments.errors import CanceledBy
from deployments.models import Maintenance, Plan, Run, StateVersion, WorkerHost
from tenants import actors, hosts, inventoryimport, secrets, services
from tenants.models import ComponentPin, Host, Release, Stack, User
from tests.factories import (
    PASSWORD,
    give_role,
    make_environment,
    make_region,
    make_run,
    make_tenant,
    make_user,
)
from tests.lab import Lab, save_plain

SYSTEM = actors.system("test")
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGt0u9bTJpSOxVsuOHD1zQG8XbyMQyPBG1r3QpWgYFeD"
Args = tuple[Any, ...]


@dataclass
class World:
    """The lab, a person who administers everything, and their browser."""

    lab: Lab
    ada: User
    browser: Client = field(default_factory=Client)

    @cached_property
    def stack(self) -> Stack:
        """Return acme's stack."""
        return self.lab.stack()

    def run(self, status: str = "planned", **fields: Any) -> Run:
        """Return a run of acme with a plan that fits."""
        more = {"planned_at": timezone.now(), "has_changes": True,
                "plan_expires_at": timezone.now() + timedelta(days=1)}  # fmt: skip
        run = make_run(self.stack, status, **(more | fields))
        Plan.objects.create(run=run, digest="d" * 64, bundle=b"x", view={}, masked_json=b"",
                            facts=facts.portal_facts(self.stack))  # fmt: skip
        return run

    def state(self, serial: int) -> StateVersion:
        """Return a kept state of acme."""
        version = StateVersion(stack=self.stack, moment="after_apply", serial=serial,
                               lineage="line", digest="d", size=9)  # fmt: skip
        bound = f"state:{self.stack.public_id}:{version.public_id}"
        version.key_id, version.ciphertext = secrets.encrypt(b'{"resources": []}', bound)
        version.save()
        return version

    def host(self) -> WorkerHost:
        """Return a worker host that was heard long ago."""
        heard = timezone.now() - timedelta(hours=3)
        return WorkerHost.objects.create(host_id="h1", name="h1", capacity=1, heartbeat_at=heard)

    def release(self) -> Release:
        """Return a release of the lab."""
        return Release.objects.create(blueprint="lab", name="9.9", components={})


@dataclass(frozen=True)
class Act:
    """One thing that a person does: the entry's action, and how it is done.

    `do` prepares and returns (arguments of the address, what is posted, the target or None).
    """

    action: str
    do: Callable[[World], tuple[Args, dict[str, Any], Any]]


def _suspect(w: World) -> Stack:
    Stack.objects.filter(pk=w.stack.pk).update(
        state_suspect=True, suspect_checked_at=timezone.now(), suspect_reason={"code": "x"}
    )
    return w.stack


def _asked_to_stop(w: World) -> Run:
    long_ago = timezone.now() - timedelta(hours=1)
    why = CanceledBy(by="Ada").to_json()
    return w.run("applying", cancel_requested_at=long_ago, cancel_by="Ada",
                 cancel_mode="graceful", cancel_because=why)  # fmt: skip


def _handing(w: World) -> Run:
    run = make_run(w.stack, "applied", steps_wanted=[{"kind": "secret.hand_over", "params": {}}])
    secrets.store(w.stack, f"run-{run.number}.admin_password", "new", kind="handed")
    return run


def _region(w: World, **more: Any) -> dict[str, Any]:
    return {"account": w.lab.region.account.pk, "slug": "north", "time_zone": "UTC",
            "state_backend": "local", "max_runs": 4, **more}  # fmt: skip


def _roll_back(w: World) -> tuple[Args, dict[str, Any], Any]:
    old, now = w.state(4), w.state(5)
    data = {"reason": "r", "seen_serial": now.serial, "request_key": "k"}
    return (old.public_id,), data, None


def _unlock(w: World) -> tuple[Args, dict[str, Any], Any]:
    Stack.objects.filter(pk=w.stack.pk).update(state_lock={"id": "lock-1", "who": "eve"})
    data = {"reason": "gone", "typed": "acme", "request_key": "k"}
    return (w.stack.public_id,), data, None


def _output(w: World) -> tuple[Args, dict[str, Any], Any]:
    secrets.store(w.stack, "admin_password", "s", kind="output")
    return (w.stack.public_id, "admin_password"), {}, w.stack


def _bulk(w: World) -> tuple[Args, dict[str, Any], Any]:
    chosen = w.browser.post("/tenants/bulk/", {"id": [w.lab.acme.public_id]})
    token = chosen.context["selection"].token
    return (), {"selection": token, "operation": "labels", "labels": "a=b", "reason": "r"}, \
        w.lab.acme  # fmt: skip


def _of_run(make: Callable[[World], Run], **data: Any) -> Callable[[World], tuple]:
    def do(w: World) -> tuple[Args, dict[str, Any], Any]:
        run = make(w)
        return (run.public_id,), data, run

    return do


def _of(make: Callable[[World], Any], **data: Any) -> Callable[[World], tuple]:
    def do(w: World) -> tuple[Args, dict[str, Any], Any]:
        thing = make(w)
        return (thing.public_id,), data, thing

    return do


def _sign_in(w: World) -> tuple[Args, dict[str, Any], Any]:
    w.browser.logout()
    return (), {"username": "ada", "password": PASSWORD}, w.ada


ROUTES: dict[str, Act] = {
    "login": Act("sign_in", _sign_in),
    "logout": Act("sign_out", lambda w: ((), {}, w.ada)),
    "profile": Act("profile.change", lambda w: (
        (), {"first_name": "A", "time_zone": "UTC"}, w.ada)),
    "region_new": Act("region.create", lambda w: ((), _region(w), None)),
    "region": Act("region.change", _of(
        lambda w: w.lab.region, title="Oslo", domain_name="lab.example.net", time_zone="UTC",
        max_runs=4)),
    "region_archive": Act("region.archive", _of(lambda w: make_region(), reason="r")),
    "environment_new": Act("environment.create", lambda w: (
        (), {"name": "sharednew", "blueprint": "lab", "region": w.lab.region.pk}, None)),
    "environment_archive": Act("environment.archive", _of(lambda w: make_environment(),
                                                          reason="r")),
    "tenant_new": Act("tenant.create", lambda w: (
        (), {"name": "umbrella", "blueprint": "lab", "region": w.lab.region.pk,
             "shared_environment": w.lab.environment.pk, "time_zone": "UTC"}, None)),
    "tenants_bulk": Act("tenant.change", _bulk),
    "tenant_edit": Act("tenant.change", _of(lambda w: w.lab.acme, title="New", time_zone="UTC")),
    "tenant_archive": Act("tenant.archive", _of(lambda w: make_tenant(), reason="r")),
    "stack_inputs": Act("stack.inputs", _of(lambda w: w.stack, **{"in-delay_ms": "7"})),
    "stack_settings": Act("stack.settings", _of(lambda w: w.stack, is_auto_apply="on")),
    "stack_review": Act("stack.reviewed", _of(_suspect, comment="c")),
    "stack_unlock": Act("state.unlock", _unlock),
    "stack_output": Act("stack.secret_shown", _output),
    "stack_action": Act("run.queue", lambda w: (
        (w.stack.public_id, "plan"), {"reason": "r", "request_key": "k"}, None)),
    "state": Act("state.rollback", _roll_back),
    "release_new": Act("release.create", lambda w: (
        (), {"blueprint": "lab", "name": "8", "components": "app=2.5.0"}, None)),
    "release_archive": Act("release.archive", _of(World.release, reason="r")),
    "worker_drain": Act("host.drain", lambda w: ((w.host().host_id,), {"on": "1"}, None)),
    "worker_gone": Act("host.gone", lambda w: ((w.host().host_id,), {"reason": "r"}, None)),
    "run_confirm": Act("run.confirm", _of_run(World.run, plan_digest="d" * 64, has_read="on")),
    "run_discard": Act("run.discard", _of_run(World.run, comment="no")),
    "run_cancel": Act("run.cancel", _of_run(lambda w: w.run("applying"), comment="stop")),
    "run_force_cancel": Act("run.force_cancel", _of_run(_asked_to_stop, comment="stuck")),
    "run_retry": Act("run.queue", lambda w: (
        (make_run(w.stack, "errored", action="plan").public_id,),
        {"reason": "again", "request_key": "k"}, None)),
    "run_hold": Act("run.hold", _of_run(lambda w: make_run(w.stack, "applied"), on="1",
                                        reason="court")),
    "run_handed": Act("stack.secret_shown", lambda w: (
        (_handing(w).public_id, "admin_password"), {}, None)),
    "run_review": Act("stack.reviewed", lambda w: (
        (make_run(_suspect(w), "lost").public_id,), {"comment": "c"}, w.stack)),
}  # fmt: skip

# Addresses of stacks of hosts, which need a blueprint that has some.
HOST_FORM = {"name": "app-one", "role": "app", "address": "192.0.2.7", "port": "22",
             "user": "root"}  # fmt: skip
INVENTORY = "all:\n  hosts:\n    omnileads_app: {ansible_host: 192.0.2.7}\n"


def _seen_inventory(w: World) -> str:
    found = inventoryimport.preview(w.stack, INVENTORY)
    return found.pack(f"{w.ada.public_id}:{w.stack.public_id}")


def _machine(w: World) -> Host:
    values = {**HOST_FORM, "port": 22}
    return hosts.add_host(SYSTEM, w.stack, **values)


def _pin(w: World) -> tuple[Args, dict[str, Any], Any]:
    host = _machine(w)
    hosts.note_key(host, KEY)
    host.refresh_from_db()
    return (host.public_id,), {"fingerprint": host.offered_fingerprint}, None


HOST_ROUTES: dict[str, Act] = {
    "stack_host_new": Act("machine.add", lambda w: ((w.stack.public_id,), HOST_FORM, None)),
    "stack_host": Act("machine.change", lambda w: (
        (_machine(w).public_id,), {**HOST_FORM, "address": "192.0.2.9"}, None)),
    "stack_host_pin": Act("machine.pin", _pin),
    "stack_host_remove": Act("machine.remove", lambda w: (
        (_machine(w).public_id,), {"reason": "old"}, None)),
    "stack_inventory_read": Act("machine.add", lambda w: (
        (w.stack.public_id,), {"packed": _seen_inventory(w)}, None)),
}  # fmt: skip

# Walked in a test of its own: it takes files and a second step.
APART = {"tenant_adopt"}

# What only shows. The walk posts there, too, and sees that the database is not written.
READS: dict[str, str] = {
    **dict.fromkeys(
        ("dashboard", "healthz", "readyz", "search", "regions", "environments", "environment",
         "tenants", "tenant", "stack", "stack_backups", "stack_hosts", "stack_inventory", "runs",
         "releases", "workers", "audit", "run", "run_live", "run_plan_json", "run-log",
         "run-log-lines", "run-log-search", "run-log-tail"),
        "shows",
    ),
    "theme": "a cookie of the browser, nothing here",
    "region_check": "asks the provider what is there; changes nothing",
}  # fmt: skip


# --- the administration -------------------------------------------------------------------------
def _user(w: World, **more: Any) -> dict[str, Any]:
    return {"username": "eve", "email": "eve@example.com", "time_zone": "UTC", "language": "en",
            "is_active": "on", **more}  # fmt: skip


def _pinned(w: World) -> ComponentPin:
    services.pin_component(SYSTEM, w.lab.acme, component="app", version="1", reason="r",
                           expires_at=None)  # fmt: skip
    return ComponentPin.objects.get()


def _tenant(w: World, **more: Any) -> dict[str, Any]:
    return {"title": "", "release": "", "time_zone": "UTC", "labels": "", "notes": "", **more}


def _changed(make: Callable[[World], Any], **data: Any) -> Callable[[World], tuple]:
    def do(w: World) -> tuple[Args, dict[str, Any], Any]:
        thing = make(w)
        return (thing.pk,), data, thing

    return do


def _chosen(action: str, make: Callable[[World], Any], **data: Any) -> Callable[[World], tuple]:
    def do(w: World) -> tuple[Args, dict[str, Any], Any]:
        thing = make(w)
        return (), {"action": action, "_selected_action": [thing.pk], **data}, None

    return do


def _bulk_edit(w: World) -> tuple[Args, dict[str, Any], Any]:
    chosen = {"action": "bulk_edit", "_selected_action": [w.lab.acme.pk]}
    first = w.browser.post("/admin/tenants/tenant/", chosen)
    data = {"selection": first.context["selection"].token, "reason": "r", "labels": "wave=1"}
    shown = w.browser.post("/admin/tenants/tenant/bulk/", {**data, "preview": "1"})
    return (), {**data, "carry_out": "1", "digest": shown.context["digest"]}, w.lab.acme


def _import(w: World) -> tuple[Args, dict[str, Any], Any]:
    text = ("name,title,blueprint,region,shared_environment,release,time_zone,labels,notes\n"
            "umbrella,Umbrella,lab,lab,sharedlab,,UTC,,\n")  # fmt: skip
    file = SimpleUploadedFile("tenants.csv", text.encode(), "text/csv")
    tried = w.browser.post("/admin/tenants/tenant/import/", {"import_file": file, "format": "0"})
    return (), dict(tried.context["confirm_form"].initial), None


_EXPORT = {"format": "0", "resource": ""}
_ARCHIVE = {"archive": "1", "reason": "r"}
_GONE = {"post": "yes"}


def _exported(w: World) -> tuple[Args, dict[str, Any], Any]:
    return (), _EXPORT, w.ada


def _member(w: World) -> Any:
    return give_role(make_user("mel"), "viewer")


# "<app>_<model>.<page or action>"
ADMIN: dict[str, Act] = {
    "tenants_user.add": Act("user.create", lambda w: ((), _user(w), None)),
    "tenants_user.change": Act("user.change", lambda w: (
        ((u := make_user("eve")).pk,), _user(w, first_name="Eve"), u)),
    "auth_group.add": Act("group.change", lambda w: ((), {"name": "team"}, None)),
    "auth_group.change": Act("group.change", _changed(
        lambda w: Group.objects.create(name="old"), name="new")),
    "tenants_membership.add": Act("role.grant", lambda w: (
        (), {"user": make_user("mel").pk, "role": "viewer", "everything": "on"}, None)),
    "tenants_membership.delete": Act("role.revoke", lambda w: ((_member(w).pk,), _GONE, None)),
    "tenants_membership.delete_selected": Act("role.revoke", _chosen("delete_selected", _member,
                                                                     **_GONE)),
    "tenants_cloudaccount.add": Act("account.create", lambda w: (
        (), {"name": "north", "provider": "lab"}, None)),
    "tenants_cloudaccount.change": Act("account.change", _changed(
        lambda w: w.lab.region.account, account_number="123456789012")),
    "tenants_cloudaccount.archive_selected": Act("account.archive", _chosen(
        "archive_selected", lambda w: type(w.lab.region.account).objects.create(
            name="old", provider="lab"), **_ARCHIVE)),
    "tenants_region.add": Act("region.create", lambda w: (
        (), _region(w, backend_config="{}"), None)),
    "tenants_region.change": Act("region.change", _changed(
        lambda w: w.lab.region, title="Oslo", time_zone="UTC", max_runs=8, backend_config="{}")),
    "tenants_region.archive_selected": Act("region.archive", _chosen(
        "archive_selected", lambda w: make_region(), **_ARCHIVE)),
    "tenants_release.add": Act("release.create", lambda w: (
        (), {"blueprint": "lab", "name": "7", "components": '{"app_version": "2"}',
             "region_values": "{}"}, None)),
    "tenants_release.change": Act("release.change", _changed(
        World.release, components='{"app_version": "2"}', region_values="{}", notes="n")),
    "tenants_release.archive_selected": Act("release.archive", _chosen(
        "archive_selected", World.release, **_ARCHIVE)),
    "tenants_release.export": Act("export", _exported),
    "tenants_stack.change": Act("stack.settings", _changed(lambda w: w.stack, is_auto_apply="on")),
    "tenants_stack.export": Act("export", _exported),
    "tenants_componentpin.add": Act("pin.change", lambda w: (
        (), {"tenant": w.lab.acme.pk, "component": "app", "version": "2", "reason": "r"}, None)),
    "tenants_componentpin.change": Act("pin.change", lambda w: (
        (_pinned(w).pk,), {"version": "2", "reason": "r"}, w.lab.acme)),
    "tenants_componentpin.delete": Act("pin.change", lambda w: ((_pinned(w).pk,), _GONE, None)),
    "tenants_componentpin.delete_selected": Act("pin.change", _chosen("delete_selected", _pinned,
                                                                      **_GONE)),
    "tenants_auditentry.export": Act("export", _exported),
    "deployments_run.export": Act("export", _exported),
    "tenants_sharedenvironment.add": Act("environment.create", lambda w: (
        (), {"name": "sharednew", "blueprint": "lab", "region": w.lab.region.pk}, None)),
    "tenants_sharedenvironment.change": Act("environment.change", _changed(
        lambda w: w.lab.environment, title="New", labels="", notes="")),
    "tenants_sharedenvironment.archive_selected": Act("environment.archive", _chosen(
        "archive_selected", lambda w: make_environment(), **_ARCHIVE)),
    "tenants_tenant.add": Act("tenant.create", lambda w: (
        (), _tenant(w, name="umbrella", blueprint="lab", region=w.lab.region.pk,
                    shared_environment=w.lab.environment.pk), None)),
    "tenants_tenant.change": Act("tenant.change", lambda w: (
        (w.lab.acme.pk,), _tenant(w, title="New"), w.lab.acme)),
    "tenants_tenant.archive_selected": Act("tenant.archive", _chosen(
        "archive_selected", lambda w: make_tenant(), **_ARCHIVE)),
    "tenants_tenant.bulk": Act("tenant.change", _bulk_edit),
    "tenants_tenant.process_import": Act("tenant.create", _import),
    "tenants_tenant.export": Act("export", _exported),
    "deployments_workerhost.change": Act("host.drain", _changed(World.host, is_draining="on")),
    "deployments_workerhost.declare_gone": Act("host.gone", _chosen(
        "declare_gone", World.host, gone="1", reason="r")),
    "deployments_maintenance.add": Act("maintenance.change", lambda w: (
        (), {"reason": "work"}, None)),
    "deployments_maintenance.end_maintenance": Act("maintenance.change", _chosen(
        "end_maintenance", lambda w: Maintenance.objects.create(reason="work", by="Ada"))),
}  # fmt: skip

# Steps before another one, which write nothing yet.
ADMIN_READS = {
    "tenants_tenant.bulk_edit": "asks what to change; the page `bulk` does it",
    "tenants_tenant.import": "a dry run; `process_import` does it",
}
ADMIN_SITE_READS = ("index", "login", "logout", "password_change", "password_change_done",
                    "autocomplete", "jsi18n", "view_on_site", "app_list")  # fmt: skip


def make_world(lab: Lab) -> World:
    """Return the lab with Ada signed in."""
    save_plain(lab.stack(), {"delay_ms": 0})
    world = World(lab, make_user("ada", role="admin"))
    world.browser.force_login(world.ada)
    return world
