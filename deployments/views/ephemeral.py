"""Stacks that stand for a while, and what approvers grant to service accounts over them."""

from datetime import datetime, time
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from deployments import services
from deployments.approvalfilters import GrantFilter
from deployments.forms import CONTROL, blueprint_choices, one_of, row_of, text
from deployments.links import link, owner_link
from deployments.listing import Column, Listing, export, show
from deployments.models import StandingGrant
from deployments.views.actions import find_stack
from deployments.views.doors import attempt, find, may_anywhere, require
from omlsaas.lib.refusals import Refusal
from tenants.access import accounts_around, people_over, user_can
from tenants.actors import from_request
from tenants.errors import NotAllowed
from tenants.models import SharedEnvironment, Stack, User

COLUMNS = (
    Column("over", _("Over")),
    Column("accounts", _("Service accounts")),
    Column("may", _("May")),
    Column("by", _("Granted by"), ("granted_by",)),
    Column("granted", _("Granted"), ("pk",)),
    Column("ends", _("Ends"), ("ends_at",)),
    Column("reason", _("Reason"), (), "o-xl"),
    Column("act", ""),
)


def _day(label: Any, **more: Any) -> forms.DateField:
    return forms.DateField(label=label, widget=forms.DateInput({**CONTROL, "type": "date"}), **more)


def _end_of(day: Any) -> datetime:
    """Return the last moment of a day in the person's zone."""
    return datetime.combine(day, time.max, timezone.get_current_timezone())


# -- the end of a stack ----------------------------------------------------------------------
class EndForm(forms.Form):
    """For what a stack stands, who keeps it, and until when."""

    purpose = text(_("What it is for"), max_length=500)
    kept_by = row_of(_("Who keeps it"))
    expires = _day(_("It stands until the end of"))
    reason = text(_("Reason"), max_length=2000)

    def __init__(self, *args: Any, stack: Stack, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["kept_by"].queryset = people_over(stack).order_by("username")
        self.fields["kept_by"].label_from_instance = lambda user: user.display_name


def stack_end(request: HttpRequest, stack_id: str) -> HttpResponse:
    """Make a stack ephemeral, or give it another end."""
    stack = find_stack(request, stack_id)
    require(request, "destroy", stack)
    initial: dict[str, Any] = {"purpose": stack.purpose, "kept_by": stack.kept_by or request.user}
    if stack.expires_at:
        initial["expires"] = timezone.localtime(stack.expires_at).date()
    form = EndForm(request.POST or None, initial=initial, stack=stack)
    if request.method == "POST" and form.is_valid():
        data, actor = form.cleaned_data, from_request(request)
        data["expires_at"] = _end_of(data.pop("expires"))
        if attempt(form, lambda: services.set_end(actor, stack, **data)) is not None:
            messages.success(request, _("Kept. Its destroy is queued at its end."))
            return redirect(owner_link(stack))
    context = {
        "stack": stack,
        "back": owner_link(stack),
        "form": form,
        "section": "tenants" if stack.tenant_id else "environments",
    }
    return render(request, "deployments/stack_end.html", context)


@require_POST
def stack_keep(request: HttpRequest, stack_id: str) -> HttpResponse:
    """Let an ephemeral stack stand on."""
    stack = find_stack(request, stack_id)
    require(request, "destroy", stack)
    reason = request.POST.get("reason", "")[:2000]
    try:
        services.keep_on(from_request(request), stack, reason=reason)
        messages.success(request, _("%s stands on: it has no end any more.") % stack.name)
    except Refusal as refusal:
        messages.error(request, str(refusal))
        return redirect("stack_end", stack.public_id)
    return redirect(owner_link(stack))


# -- grants ----------------------------------------------------------------------------------
class GrantForm(forms.Form):
    """Which service accounts may do what alone, over which stacks, until when."""

    stack = row_of(_("One ephemeral stack"), required=False)
    environment = row_of(_("Or: all ephemeral stacks in"), required=False)
    blueprint = one_of(_("… of the blueprint"), (), required=False)
    accounts = forms.ModelMultipleChoiceField(
        label=_("Service accounts"), queryset=None, widget=forms.CheckboxSelectMultiple
    )
    may_create = forms.BooleanField(label=_("They may create and change"), required=False)
    may_destroy = forms.BooleanField(label=_("They may destroy"), required=False)
    ends = _day(_("Until the end of"))
    reason = text(_("Reason"), max_length=2000)

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stacks = Stack.objects.visible_to(user).filter(expires_at__gt=timezone.now())
        self.fields["stack"].queryset = stacks.order_by("name")
        places = SharedEnvironment.objects.visible_to(user).living().order_by("name")
        self.fields["environment"].queryset = places
        self.fields["blueprint"].choices = [("", "–"), *blueprint_choices("tenant")]
        accounts = accounts_around(user, "approve").order_by("username")
        self.fields["accounts"].queryset = accounts

    def clean(self) -> dict[str, Any]:
        """Ask for exactly one place, and for something to grant."""
        data = super().clean()
        wide = bool(data.get("environment")), bool(data.get("blueprint"))
        if bool(data.get("stack")) == any(wide) or (any(wide) and not all(wide)):
            words = _("Choose one stack, or a shared environment together with a blueprint.")
            self.add_error(None, words)
        if not data.get("may_create") and not data.get("may_destroy"):
            self.add_error(None, _("Choose what they may do: create, destroy or both."))
        return data


def grant_list(request: HttpRequest) -> HttpResponse:
    """Show what was granted beforehand over what the person may see."""
    rows = StandingGrant.objects.visible_to(request.user)
    rows = rows.select_related("stack__tenant", "stack__shared_environment", "shared_environment")
    rows = rows.prefetch_related("accounts")
    listing = Listing(request, GrantFilter(request.GET, rows, request=request), COLUMNS,
                      default="-granted", tie="-pk")  # fmt: skip
    if listing.wants_csv:
        return _export(listing)
    now = timezone.now()
    for row in listing.rows:
        row.over = _over(row)
        row.names = ", ".join(account.username for account in row.accounts.all())
        row.is_over = row.revoked_at is not None or row.ends_at <= now
        may = user_can(request.user, "approve", row.stack or row.shared_environment)
        row.revoke_href = link("grant_revoke", row.public_id) if may and not row.is_over else ""
    context = {"section": "approvals", "may_grant": may_anywhere(request.user, "approve")}
    return show(request, "deployments/grant_list.html", listing, context)


def _over(row: StandingGrant) -> str:
    if row.stack is not None:
        return row.stack.name
    words = _("%(blueprint)s in %(environment)s")
    return words % {"blueprint": row.blueprint, "environment": row.shared_environment.name}


def _export(listing: Listing) -> HttpResponse:
    header = ("grant", "over", "accounts", "create", "destroy", "granted_by", "granted", "ends",
              "revoked", "revoked_by", "reason")  # fmt: skip

    def cells(row: StandingGrant) -> tuple[Any, ...]:
        names = " ".join(account.username for account in row.accounts.all())
        return (row.public_id, _over(row), names, row.may_create, row.may_destroy,
                row.granted_by, row.created_at, row.ends_at, row.revoked_at, row.revoked_by,
                row.reason)  # fmt: skip

    return export(listing, "grants", header, cells)


def grant_new(request: HttpRequest) -> HttpResponse:
    """Grant service accounts to act alone over ephemeral stacks."""
    if not may_anywhere(request.user, "approve"):
        require(request, "approve", None)
    form = GrantForm(request.POST or None, user=request.user)
    if request.method == "POST" and form.is_valid():
        data, actor = form.cleaned_data, from_request(request)
        data["ends_at"], data["accounts"] = _end_of(data.pop("ends")), list(data["accounts"])
        if attempt(form, lambda: services.grant(actor, **data)) is not None:
            messages.success(request, _("Granted. Each run under it names it in the trail."))
            return redirect("grants")
    context = {"section": "approvals", "form": form}
    return render(request, "deployments/grant_new.html", context)


@require_POST
def grant_revoke(request: HttpRequest, grant_id: str) -> HttpResponse:
    """End a grant now."""
    rows = StandingGrant.objects.visible_to(request.user)
    row = find(rows.select_related("stack", "shared_environment"), grant_id)
    require(request, "approve", row.stack or row.shared_environment)
    reason = request.POST.get("reason", "")[:2000]
    try:
        services.revoke(from_request(request), row, reason=reason)
        messages.success(request, _("Revoked. Runs need a second person again."))
    except NotAllowed as refusal:
        raise PermissionDenied(str(refusal)) from refusal
    except Refusal as refusal:
        messages.error(request, str(refusal))
    return redirect("grants")
