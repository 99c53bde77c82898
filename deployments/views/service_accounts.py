"""Service accounts: programs with roles of their own, which sign in by tokens alone."""

from typing import Any

import django_filters as df
from django import forms
from django.contrib import messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from deployments.filters import PortalFilterSet
from deployments.forms import CONTROL, text
from deployments.links import link
from deployments.listing import Column, Listing, export, show
from deployments.views.doors import attempt, find, require
from tenants import people
from tenants.actors import from_request
from tenants.models import User

COLUMNS = (
    Column("name", _("Account"), ("username",)),
    Column("roles", _("Roles")),
    Column("tokens", _("Valid tokens"), (), "text-end"),
    Column("made", _("Made"), ("pk",)),
    Column("end", ""),
)


class AccountFilter(PortalFilterSet):
    """Service accounts by text and by whether they are open."""

    q = df.CharFilter(label=_("Search"), method="by_text")
    state = df.ChoiceFilter(
        label=_("Status"), choices=[("open", _("open")), ("closed", _("closed"))],
        method="by_state",
    )  # fmt: skip

    class Meta:
        model = User
        fields: list[str] = []

    def by_text(self, queryset: QuerySet, name: str, value: str) -> QuerySet:
        """Keep what has the text in its name, purpose or address."""
        where = Q(username__icontains=value) | Q(first_name__icontains=value)
        return queryset.filter(where | Q(email__icontains=value))

    def by_state(self, queryset: QuerySet, name: str, value: str) -> QuerySet:
        """Keep open or closed ones."""
        return queryset.filter(is_active=value == "open")


class AccountForm(forms.Form):
    """A new service account."""

    username = text(_("Name"), max_length=150, help_text=_("Such as ci or monitoring."))
    first_name = text(_("What it is for"), max_length=150, required=False)
    email = forms.EmailField(
        label=_("E-mail address of who looks after it"), widget=forms.EmailInput(CONTROL),
        help_text=_("No other account has the same one."),
    )  # fmt: skip


def _rows() -> QuerySet[User]:
    return User.objects.filter(is_service=True)


def account_list(request: HttpRequest) -> HttpResponse:
    """Show the service accounts to admins."""
    require(request, "admin", None)
    related = ("memberships__region", "memberships__shared_environment", "memberships__tenant")
    rows = _rows().prefetch_related(*related)
    filters = AccountFilter(request.GET, rows, request=request)
    listing = Listing(request, filters, COLUMNS, default="name")
    if listing.wants_csv:
        return _export(listing)
    valid = Q(tokens__revoked_at__isnull=True, tokens__expires_at__gt=timezone.now())
    shown = _rows().filter(pk__in=[account.pk for account in listing.rows])
    counts = dict(shown.annotate(n=Count("tokens", filter=valid)).values_list("pk", "n"))
    for account in listing.rows:
        account.valid = counts.get(account.pk, 0)
        account.token_href = f"{reverse('token_new')}?for={account.public_id}"
        account.roles_href = reverse("admin:tenants_user_change", args=[account.pk])
        account.close_href = link("service_account_close", account.public_id)
    return show(request, "deployments/service_account_list.html", listing, {"section": "profile"})


def _export(listing: Listing) -> HttpResponse:
    header = ("account", "purpose", "email", "open", "made")

    def cells(row: User) -> tuple[Any, ...]:
        return (row.username, row.first_name, row.email, row.is_active, row.date_joined)

    return export(listing, "service-accounts", header, cells)


def account_new(request: HttpRequest) -> HttpResponse:
    """Make a service account; it holds no role until somebody gives it one."""
    require(request, "admin", None)
    form = AccountForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        actor, data = from_request(request), form.cleaned_data
        made = attempt(form, lambda: people.create_user(actor, is_service=True, **data))
        if made is not None:
            messages.success(request, _t("Made. Give it a role, then a token."))
            return redirect("service_accounts")
    context = {"form": form, "section": "profile"}
    return render(request, "deployments/service_account_new.html", context)


@require_POST
def account_close(request: HttpRequest, account_id: str) -> HttpResponse:
    """Close a service account, so that its tokens open nothing, or open it again."""
    require(request, "admin", None)
    account = find(_rows(), account_id)
    is_open = request.POST.get("on") == "1"
    people.change_user(from_request(request), account, is_active=is_open)
    words = _t("%s is open.") if is_open else _t("%s is closed: its tokens open nothing.")
    messages.success(request, words % account.username)
    return redirect("service_accounts")
