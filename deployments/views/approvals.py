"""Second persons: the list of what waits for one, the yes or no, and the rule."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from deployments import services
from deployments.approvalfilters import ApprovalFilter
from deployments.forms import text
from deployments.links import link, owner_link
from deployments.listing import Column, Listing, export, show
from deployments.models import Approval
from deployments.models.approvals import LONGEST_MINUTES, Risk
from deployments.services.foureyes import policy_in_force, policy_to_come, words_of
from deployments.views.doors import attempt, may_anywhere, require
from deployments.views.run import MAX_TEXT, decide, find_run
from tenants.access import user_can
from tenants.actors import from_request
from tenants.models import CloudAccount

COLUMNS = (
    Column("run", _("Run")),
    Column("status", _("Status"), ("state",)),
    Column("because", _("Because of")),
    Column("for", _("For"), ("asked_by",)),
    Column("asked", _("Asked"), ("pk",)),
    Column("by", _("Decided by"), ("decided_by",)),
    Column("until", _("Holds until"), ("expires_at",), "o-xl"),
)
TONES = {
    "asked": ("wait", "users"),
    "approved": ("ok", "user-check"),
    "rejected": ("bad", "user-x"),
    "void": ("idle", "circle-minus"),
}
RELATED = ("run__stack__tenant", "run__stack__shared_environment")


def approval_list(request: HttpRequest) -> HttpResponse:
    """Show what waits for a second person and what was decided, as far as one may see the runs."""
    rows = Approval.objects.visible_to(request.user).select_related(*RELATED)
    filters = ApprovalFilter(request.GET, rows, request=request)
    listing = Listing(request, filters, COLUMNS, default="-asked", tie="-pk")
    if listing.wants_csv:
        return _export(listing)
    for row in listing.rows:
        row.run_href = link("run", row.run.public_id)
        row.owner_href = owner_link(row.run.stack)
        row.words = words_of(row.risks)
        row.tone, row.icon = TONES[row.state]
    context = {
        "section": "approvals",
        "status": request.GET.get("status", ""),
        "may_read_rule": may_anywhere(request.user, "approve"),
        "to_come": policy_to_come(),
    }
    return show(request, "deployments/approval_list.html", listing, context)


def _export(listing: Listing) -> HttpResponse:
    header = ("approval", "run", "stack", "number", "status", "because", "for", "asked",
              "decided_by", "decided", "reason", "holds_until", "digest")  # fmt: skip

    def cells(row: Approval) -> tuple[Any, ...]:
        run = row.run
        return (row.public_id, run.public_id, run.stack.name, run.number, row.state,
                " ".join(row.risks), row.asked_by, row.asked_at, row.decided_by, row.decided_at,
                row.reason, row.expires_at, row.digest)  # fmt: skip

    return export(listing, "approvals", header, cells)


# -- yes or no -------------------------------------------------------------------------------
def _answer(request: HttpRequest, run_id: str, service: Any) -> HttpResponse:
    run = find_run(request, run_id)
    require(request, "approve", run.stack)
    given = {
        "reason": request.POST.get("second_reason", "").strip()[:MAX_TEXT],
        "digest": request.POST.get("digest", "")[:64],
    }
    actor = from_request(request)
    return decide(request, run, "second", lambda: service(actor, run, **given))


@require_POST
def approve(request: HttpRequest, run_id: str) -> HttpResponse:
    """Agree to what a run asks for."""
    return _answer(request, run_id, services.approve_run)


@require_POST
def reject(request: HttpRequest, run_id: str) -> HttpResponse:
    """Disagree: the run ends."""
    return _answer(request, run_id, services.reject_run)


# -- the rule --------------------------------------------------------------------------------
class PolicyForm(forms.Form):
    """What needs a second person, where not, and for how long a yes holds."""

    risks = forms.MultipleChoiceField(
        label=_("A second person is needed for"),
        choices=Risk.choices,
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    exempt_accounts = forms.MultipleChoiceField(
        label=_("But not in these cloud accounts"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("Where things are tried out: there one person does everything alone."),
    )
    valid_minutes = forms.IntegerField(
        label=_("A yes holds for (minutes)"),
        min_value=1,
        max_value=LONGEST_MINUTES,
        widget=forms.NumberInput({"class": "form-control"}),
    )
    reason = text(_("Reason"), max_length=2000, help_text=_("Everybody can read it."))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        accounts = CloudAccount.objects.living().order_by("name")
        self.fields["exempt_accounts"].choices = [(a.public_id, a.name) for a in accounts]


def policy(request: HttpRequest) -> HttpResponse:
    """Show the rule to who approves; an admin of everything changes it."""
    if not may_anywhere(request.user, "approve"):
        require(request, "approve", None)
    now, may_change = policy_in_force(), user_can(request.user, "admin")
    names = ("risks", "exempt_accounts", "valid_minutes")
    form = PolicyForm(request.POST or None, initial={name: getattr(now, name) for name in names})
    if request.method == "POST":
        require(request, "admin", None)
        if form.is_valid():
            data, actor = form.cleaned_data, from_request(request)
            made = attempt(form, lambda: services.change_policy(actor, **data))
            if made is not None:
                messages.success(request, _("Kept. When it holds stands below."))
                return redirect("approval_policy")
    accounts = CloudAccount.objects.filter(public_id__in=now.exempt_accounts).order_by("name")
    context = {
        "section": "approvals",
        "form": form,
        "now": now,
        "risks": [Risk(risk).label for risk in now.risks if risk in Risk.values],
        "exempt": list(accounts.values_list("name", flat=True)),
        "to_come": policy_to_come(),
        "may_change": may_change,
    }
    return render(request, "deployments/approval_policy.html", context)
