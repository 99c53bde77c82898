"""The hosts of a stack: which there are, whose keys are known, and their inventory as a file."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe

from deployments.forms import CONTROL, ReasonForm, one_of, text
from deployments.links import link, owner_link
from deployments.runview.plays import last_notes
from deployments.services.hosts import CONTACT
from deployments.views.doors import attempt, find, require
from tenants import audit, blueprints, hosts, inventory, inventoryimport
from tenants.access import user_can
from tenants.actors import from_request
from tenants.blueprints import HostRules, Kind
from tenants.effective import effective_inputs
from tenants.models import Host, Stack, User

MAX_INVENTORY_BYTES = 256 * 1024
RELATED = ("region__account", "tenant", "shared_environment", "parent_environment")


class KeyArea(forms.Textarea):
    """An area for what may hold secrets: what was typed never comes back in a page."""

    def format_value(self, value: Any) -> str:
        """Return nothing."""
        return ""


class HostForm(forms.Form):
    """One host of a stack."""

    name = text(_("Name"), max_length=32, help_text=_("In the inventory and in logs."))
    role = one_of(_("Role"), ())
    address = text(_("Address for SSH"), max_length=255)
    lan_address = text(
        _("LAN address"), max_length=255, required=False,
        help_text=_("Where the other hosts reach it. Empty: the address for SSH."),
    )  # fmt: skip
    port = forms.IntegerField(
        label=_("SSH port"), min_value=1, max_value=65535, initial=22,
        widget=forms.NumberInput(CONTROL),
    )  # fmt: skip
    user = text(
        _("User"), max_length=32, initial="root",
        help_text=_("Another one than root needs sudo without a password."),
    )  # fmt: skip
    python = text(
        _("Python"), max_length=255, required=False,
        help_text=_("Path on the host. Empty: Ansible looks for one."),
    )  # fmt: skip
    ssh_key = forms.CharField(
        label=_("Private SSH key"), required=False, max_length=20_000,
        widget=KeyArea({**CONTROL, "rows": 4, "autocomplete": "off", "spellcheck": "false"}),
    )  # fmt: skip
    forget_key = forms.BooleanField(
        label=_("Forget its key: the worker's agent has one"), required=False,
        widget=forms.CheckboxInput({"class": "form-check-input"}),
    )  # fmt: skip

    def __init__(self, *args: Any, rules: HostRules | None, host: Host | None = None, **kw: Any):
        if host is not None:
            kw["initial"] = {name: getattr(host, name) for name in hosts.FIELDS}
        super().__init__(*args, **kw)
        roles = rules.roles.values() if rules else ()
        self.fields["role"].choices = [(role.name, role.title) for role in roles]
        help_text = _("Stored encrypted and never shown again. Empty: the worker's agent has one.")
        if host is not None and host.has_secret:
            help_text = _("There is one. It is never shown; empty keeps it.")
        else:
            del self.fields["forget_key"]
        self.fields["ssh_key"].help_text = help_text
        for name in ("name", "address", "lan_address", "user", "python"):
            # What is wrong with one field is said at that field.
            self.fields[name].validators += Host._meta.get_field(name).validators

    def values(self) -> dict[str, Any]:
        """Return what the services take."""
        data = dict(self.cleaned_data)
        if data.pop("forget_key", False):
            data["ssh_key"] = None
        return data


class InventoryForm(forms.Form):
    """An inventory of another tool, to be looked at; or what was seen of it, to be taken over."""

    inventory = forms.CharField(
        label=_("inventory.yml"), max_length=MAX_INVENTORY_BYTES, required=False,
        widget=KeyArea({**CONTROL, "rows": 14, "spellcheck": "false"}),
        help_text=_(
            "Hosts, and variables that the blueprint knows: secrets are kept encrypted. SSH keys "
            "are given to each host afterwards."
        ),
    )  # fmt: skip
    packed = forms.CharField(widget=forms.HiddenInput, required=False, max_length=1_000_000)

    def clean(self) -> dict[str, Any]:
        """Ask for an inventory, unless one that was seen comes back."""
        data = super().clean()
        if not data.get("packed") and not data.get("inventory") and not self.errors:
            self.add_error("inventory", _now("Paste an inventory."))
        return data

    def refuse(self, problems: Mapping[str, str]) -> None:
        """Show what is wrong with inputs above the form: it has no fields for them."""
        for name, problem in problems.items():
            self.add_error(None, f"{name}: {problem}")


@dataclass(frozen=True)
class Line:
    """One host as pages show it."""

    host: Host
    role: str
    tone: str
    icon: str
    state: str
    href: str


def lines_of(stack: Stack, rules: HostRules | None) -> list[Line]:
    """Return the stack's hosts with what is known of their keys."""
    return [_line(host, rules) for host in stack.hosts.living()]


def _line(host: Host, rules: HostRules | None) -> Line:
    known = rules.roles.get(host.role) if rules else None
    tone, icon, state = "ok", "shield-check", host.fingerprint
    if host.offered_key and host.is_pinned:
        tone, icon, state = "bad", "shield-x", _("shows another key than the confirmed one")
    elif host.offered_key:
        tone, icon, state = "wait", "shield-question", _("its key is to be confirmed")
    elif not host.is_pinned:
        tone, icon, state = "idle", "shield", _("not contacted yet")
    role = known.title if known else host.role
    return Line(host, role, tone, icon, str(state), link("stack_host", host.public_id))


@dataclass(frozen=True)
class NextStep:
    """What a stack's hosts lack before a playbook may be sent to them; `why_not` says it."""

    label: str
    icon: str
    why_not: str


def next_step(stack: Stack, kind: Kind) -> NextStep | None:
    """Return what is to be done with the hosts first; None when playbooks may be sent to them.

    An empty label means the first contact, which is an action of the blueprint.
    """
    if kind.hosts is None or kind.hosts.from_output:
        return None
    found = list(stack.hosts.living())
    lacking = kind.hosts.missing(host.role for host in found)
    if lacking or not found:
        why_not = _now("It needs a host for %s first.")
        why_not %= ", ".join(lacking) or _now("its playbooks")
        return NextStep(_now("Add hosts"), "server", why_not)
    unknown = [host for host in found if not host.is_pinned]
    why_not = _now("The key of %s is not confirmed yet.") % ", ".join(host.name for host in unknown)
    if any(host.offered_key for host in unknown):
        return NextStep(_now("Confirm host keys"), "shield-question", why_not)
    return NextStep("", "", why_not) if unknown else None


def panel(user: User, stack: Stack, kind: Kind) -> dict[str, Any] | None:
    """Return what the page of a stack shows of its hosts; None for a kind without any."""
    if kind.hosts is None:
        return None
    found = lines_of(stack, kind.hosts)
    lacking = kind.hosts.missing(line.host.role for line in found)
    return {
        "lines": found,
        "lacking": ", ".join(lacking),
        "href": link("stack_hosts", stack.public_id),
        "notes": last_notes(stack) if stack.is_installed else [],
    }


def _stack(request: HttpRequest, stack_id: str) -> tuple[Stack, Kind]:
    rows = Stack.objects.visible_to(request.user).select_related(*RELATED)
    stack = find(rows, stack_id)
    return stack, blueprints.load(stack.blueprint).kinds[stack.kind]


def _host(request: HttpRequest, host_id: str) -> tuple[Host, Kind]:
    related = (f"stack__{name}" for name in RELATED)
    rows = Host.objects.visible_to(request.user).living().select_related(*related)
    host = find(rows, host_id)
    return host, blueprints.load(host.stack.blueprint).kinds[host.stack.kind]


def _context(stack: Stack, **more: Any) -> dict[str, Any]:
    section = "tenants" if stack.tenant_id else "environments"
    hosts_href = link("stack_hosts", stack.public_id)
    return {"stack": stack, "back": owner_link(stack), "hosts_href": hosts_href,
            "section": section, **more}  # fmt: skip


def host_list(request: HttpRequest, stack_id: str) -> HttpResponse:
    """Show the hosts of a stack, what waits for a yes, and their inventory."""
    stack, kind = _stack(request, stack_id)
    rules = kind.hosts
    may_change = user_can(request.user, "change", stack) and not stack.owner.is_archived
    contact = next((a for a in kind.actions.values() if a.steps[0].kind == CONTACT), None)
    context = _context(
        stack,
        rules=rules,
        lines=lines_of(stack, rules),
        may_change=may_change,
        may_add=may_change and rules is not None and not rules.from_output,
        inventory=_exported(stack, rules) if rules else "",
        contact=contact if may_change else None,
    )
    return render(request, "deployments/host_list.html", context)


def _exported(stack: Stack, rules: HostRules) -> str:
    return inventory.export(stack.hosts.living(), rules, effective_inputs(stack))


@require_safe
def inventory_file(request: HttpRequest, stack_id: str) -> HttpResponse:
    """Return the inventory as a file: hosts and plain inputs, no secret."""
    stack, kind = _stack(request, stack_id)
    rules = kind.hosts or HostRules({})
    audit.took(from_request(request), "inventory.yml", stack)
    response = HttpResponse(_exported(stack, rules), content_type="application/yaml")
    response["Content-Disposition"] = 'attachment; filename="inventory.yml"'
    return response


def host_new(request: HttpRequest, stack_id: str) -> HttpResponse:
    """Add a host to a stack."""
    stack, kind = _stack(request, stack_id)
    require(request, "change", stack)
    form = HostForm(request.POST or None, rules=kind.hosts)
    if request.method == "POST" and form.is_valid():
        actor = from_request(request)
        made = attempt(
            form, lambda: hosts.add_host(actor, stack, **form.values()), name_field="name"
        )
        if made is not None:
            return redirect("stack_hosts", stack.public_id)
    context = _context(stack, form=form, host=None)
    return render(request, "deployments/host_form.html", context)


def host_edit(request: HttpRequest, host_id: str) -> HttpResponse:
    """Change a host; what it is known by goes when it is another machine then."""
    host, kind = _host(request, host_id)
    stack = host.stack
    require(request, "change", stack)
    form = HostForm(request.POST or None, rules=kind.hosts, host=host)
    if request.method == "POST" and form.is_valid():
        actor = from_request(request)
        done = attempt(
            form, lambda: hosts.change_host(actor, host, **form.values()), name_field="name"
        )
        if done is not None:
            return redirect("stack_hosts", stack.public_id)
    may_remove = user_can(request.user, "destroy", stack)
    more = {"host": host, "form": form, "may_remove": may_remove, "removal": ReasonForm()}
    return render(request, "deployments/host_form.html", _context(stack, **more))


@require_POST
def host_pin(request: HttpRequest, host_id: str) -> HttpResponse:
    """Confirm the key whose fingerprint the person compared."""
    host, _kind = _host(request, host_id)
    require(request, "change", host.stack)
    form = forms.Form(request.POST)
    form.is_valid()
    shown = request.POST.get("fingerprint", "")[:200]
    if attempt(form, lambda: hosts.pin_key(from_request(request), host, shown)) is not None:
        return redirect("stack_hosts", host.stack.public_id)
    return render(request, "deployments/host_pin.html", _context(host.stack, form=form, host=host))


@require_POST
def host_remove(request: HttpRequest, host_id: str) -> HttpResponse:
    """Take a host out of its stack."""
    host, _kind = _host(request, host_id)
    require(request, "destroy", host.stack)
    form = ReasonForm(request.POST)
    if not form.is_valid():
        return redirect("stack_hosts", host.stack.public_id)
    actor, reason = from_request(request), form.cleaned_data["reason"]
    if attempt(form, lambda: hosts.remove_host(actor, host, reason)) is not None:
        return redirect("stack_hosts", host.stack.public_id)
    return render(request, "deployments/host_pin.html", _context(host.stack, form=form, host=host))


def inventory_read(request: HttpRequest, stack_id: str) -> HttpResponse:
    """Show what an inventory would bring, then take it over: all of it, or nothing."""
    stack, kind = _stack(request, stack_id)
    require(request, "change", stack)
    form = InventoryForm(request.POST or None)
    bound_to = f"{request.user.public_id}:{stack.public_id}"
    context = _context(stack, form=form)
    if request.method == "POST" and form.is_valid():
        if form.cleaned_data["packed"]:
            if attempt(form, lambda: _take_over(request, stack, form, bound_to)) is not None:
                return redirect("stack_hosts", stack.public_id)
        else:
            text_ = form.cleaned_data["inventory"]
            found = attempt(form, lambda: inventoryimport.preview(stack, text_))
            if found is not None:
                roles = kind.hosts.roles
                rows = [{**row, "role": roles[row["role"]].title} for row in found.hosts]
                context |= {"found": found, "rows": rows, "packed": found.pack(bound_to)}
    return render(request, "deployments/inventory_read.html", context)


def _take_over(
    request: HttpRequest, stack: Stack, form: InventoryForm, bound_to: str
) -> list[Host]:
    found = inventoryimport.unpack(form.cleaned_data["packed"], bound_to)
    return inventoryimport.take_over(from_request(request), stack, found)
