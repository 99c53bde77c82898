"""API tokens: a person's own under their profile, those of service accounts for admins."""

from datetime import timedelta
from typing import Any

import django_filters as df
from allauth.account.decorators import reauthentication_required
from django import forms
from django.conf import settings
from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from deployments.filters import PortalFilterSet
from deployments.forms import SELECT, text
from deployments.links import link
from deployments.listing import Column, Listing, export, show
from deployments.views.doors import attempt, find, require
from omlsaas.lib.refusals import Refusal
from tenants import tokens
from tenants.access import KINDS, user_can
from tenants.actors import from_request
from tenants.models import ApiToken, Region, SharedEnvironment, Tenant, User

COLUMNS = (
    Column("name", _("Token"), ("name",)),
    Column("owner", _("Owner"), ("user__username",)),
    Column("kinds", _("May")),
    Column("places", _("Where")),
    Column("used", _("Last used"), ("last_used_at",)),
    Column("expires", _("Expires"), ("expires_at",)),
    Column("made", _("Made"), ("pk",)),
    Column("end", ""),
)
STATES = [("valid", _("valid")), ("expired", _("expired")), ("revoked", _("revoked"))]
USUAL_DAYS = 90


class TokenFilter(PortalFilterSet):
    """Tokens by text and by whether they still open anything."""

    q = df.CharFilter(label=_("Search"), method="by_text")
    state = df.ChoiceFilter(label=_("Status"), choices=STATES, method="by_state")

    class Meta:
        model = ApiToken
        fields: list[str] = []

    def by_text(self, queryset: QuerySet, name: str, value: str) -> QuerySet:
        """Keep what has the text in its name, its owner's name or its id."""
        shown = value.strip().removeprefix("oml_").upper()
        where = Q(name__icontains=value) | Q(user__username__icontains=value)
        return queryset.filter(where | Q(public_id__endswith=shown))

    def by_state(self, queryset: QuerySet, name: str, value: str) -> QuerySet:
        """Keep valid, expired or revoked ones."""
        now = timezone.now()
        if value == "revoked":
            return queryset.filter(revoked_at__isnull=False)
        ends = {"expires_at__gt": now} if value == "valid" else {"expires_at__lte": now}
        return queryset.filter(revoked_at__isnull=True, **ends)


class TokenForm(forms.Form):
    """A new token: what for, what it may, where, how long and from where."""

    name = text(_("Name"), max_length=100, help_text=_("What uses it, such as: nightly checks."))
    kinds = forms.MultipleChoiceField(
        label=_("It may"), widget=forms.CheckboxSelectMultiple, initial=["view"],
        help_text=_("At most what its owner may. Seeing is always in it."),
    )  # fmt: skip
    regions = forms.ModelMultipleChoiceField(
        label=_("Only these regions"), queryset=None, required=False,
        widget=forms.SelectMultiple(SELECT),
    )  # fmt: skip
    environments = forms.ModelMultipleChoiceField(
        label=_("Only these shared environments"), queryset=None, required=False,
        widget=forms.SelectMultiple(SELECT),
    )  # fmt: skip
    tenants = text(
        _("Only these tenants"), required=False, max_length=4000, rows=2,
        help_text=_("Names, one a line. With nothing chosen in the three fields it reaches all "
                    "that its owner does."),
    )  # fmt: skip
    days = forms.IntegerField(
        label=_("Days until it ends"), min_value=1, initial=USUAL_DAYS,
        widget=forms.NumberInput({"class": "form-control"}),
    )  # fmt: skip
    networks = text(
        _("Only from these networks"), required=False, max_length=2000, rows=2,
        help_text=_("Such as 10.0.0.0/8, one a line. Empty: from everywhere."),
    )  # fmt: skip

    def __init__(self, *args: Any, owner: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._owner = owner
        self.fields["kinds"].choices = list(KINDS.items())
        self.fields["days"].max_value = settings.API_TOKEN_MAX_DAYS
        regions = Region.objects.visible_to(owner).living()
        self.fields["regions"].queryset = regions.order_by("slug")
        environments = SharedEnvironment.objects.visible_to(owner).living()
        self.fields["environments"].queryset = environments.order_by("name")

    def clean_tenants(self) -> list[Tenant]:
        """Return the tenants of these names that the owner sees."""
        names = {line.strip() for line in self.cleaned_data["tenants"].splitlines()} - {""}
        found = list(Tenant.objects.visible_to(self._owner).living().filter(name__in=names))
        if unknown := sorted(names - {tenant.name for tenant in found}):
            raise forms.ValidationError(_t("Not known: %s.") % ", ".join(unknown)[:300])
        return found

    def values(self) -> dict[str, Any]:
        """Return what the service takes."""
        data = self.cleaned_data
        return {
            "name": data["name"],
            "kinds": data["kinds"],
            "places": [*data["regions"], *data["environments"], *data["tenants"]],
            "expires_at": timezone.now() + timedelta(days=data["days"]),
            "networks": data["networks"].splitlines(),
        }


def _rows(request: HttpRequest) -> QuerySet[ApiToken]:
    """Return the person's own tokens; for an admin those of service accounts as well."""
    mine = Q(user=request.user)
    if user_can(request.user, "admin"):
        mine |= Q(user__is_service=True)
    rows = ApiToken.objects.filter(mine).select_related("user")
    related = ("places__region", "places__shared_environment", "places__tenant")
    return rows.prefetch_related(*related)


def token_list(request: HttpRequest) -> HttpResponse:
    """Show the tokens that the person may revoke."""
    filters = TokenFilter(request.GET, _rows(request), request=request)
    listing = Listing(request, filters, COLUMNS, default="-made", tie="-pk")
    if listing.wants_csv:
        return _export(listing)
    for token in listing.rows:
        token.words = ", ".join(str(KINDS[kind]) for kind in token.kinds if kind in KINDS)
        token.revoke_href = link("token_revoke", token.public_id)
    context = {"section": "profile", "is_admin": user_can(request.user, "admin")}
    return show(request, "deployments/token_list.html", listing, context)


def _export(listing: Listing) -> HttpResponse:
    header = ("token", "id", "owner", "may", "where", "networks", "made", "made_by", "expires",
              "last_used", "last_used_from", "revoked", "revoked_by")  # fmt: skip

    def cells(row: ApiToken) -> tuple[Any, ...]:
        where = "everything" if row.everything else " ".join(str(p) for p in row.places.all())
        return (row.name, row.shown_id, row.user.username, " ".join(row.kinds), where,
                " ".join(row.networks), row.created_at, row.created_by, row.expires_at,
                row.last_used_at, row.last_used_ip, row.revoked_at, row.revoked_by)  # fmt: skip

    return export(listing, "tokens", header, cells)


@reauthentication_required
def token_new(request: HttpRequest) -> HttpResponse:
    """Make a token for oneself, or for a service account with `?for=`; it is shown once.

    Whoever signed in a while ago proves again who they are: a token outlives the session.
    """
    owner = _owner(request)
    form = TokenForm(request.POST or None, owner=owner)
    if request.method == "POST" and form.is_valid():
        actor = from_request(request)
        made = attempt(form, lambda: tokens.create_token(actor, owner, **form.values()))
        if made is not None:
            token, secret = made
            context = {"token": token, "secret": secret, "section": "profile"}
            response = render(request, "deployments/token_made.html", context)
            response["Cache-Control"] = "no-store"
            return response
    context = {"form": form, "owner": owner, "section": "profile"}
    return render(request, "deployments/token_new.html", context)


def _owner(request: HttpRequest) -> User:
    wanted = request.GET.get("for", "")
    if not wanted or wanted == request.user.public_id:
        return request.user
    require(request, "admin", None)
    return find(User.objects.filter(is_service=True), wanted)


@require_POST
def token_revoke(request: HttpRequest, token_id: str) -> HttpResponse:
    """End a token at once."""
    token = find(_rows(request), token_id)
    try:
        tokens.revoke_token(from_request(request), token)
    except Refusal as refusal:
        raise Http404 from refusal
    messages.success(request, _t("“%s” opens nothing any more.") % token.name)
    return redirect("tokens")
