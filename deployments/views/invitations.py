"""Invitations: the list for admins, and the page behind a link."""

from typing import Any

import django_filters as df
from allauth.account.internal.flows.login import record_authentication
from allauth.account.utils import perform_login
from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import password_validators_help_texts
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from deployments.filters import PortalFilterSet
from deployments.forms import CONTROL, one_of, row_of, text
from deployments.listing import Column, Listing, export, show
from deployments.views.doors import attempt, find, require
from omlsaas.lib.client_address import client_address
from omlsaas.lib.refusals import Refusal
from tenants.actors import from_request
from tenants.errors import InvitationUnusable
from tenants.models import Invitation, Region, SharedEnvironment, Tenant, User
from tenants.models.access import Role
from tenants.signin import invitationmail, invitations

# Where the link's secret stands between its click and the form: not in an address.
SECRET = "invitation"  # noqa: S105
LOOKS = {
    "open": ("run", "mail", gettext_lazy("Waiting")),
    "expired": ("wait", "clock-exclamation", gettext_lazy("Expired")),
    "accepted": ("ok", "circle-check", gettext_lazy("Accepted")),
    "revoked": ("idle", "ban", gettext_lazy("Revoked")),
}
COLUMNS = (
    Column("email", gettext_lazy("E-mail address"), ("email",)),
    Column("standing", gettext_lazy("Status")),
    Column("roles", gettext_lazy("Roles")),
    Column("by", gettext_lazy("Invited by"), ("invited_by__username",)),
    Column("made", gettext_lazy("Made"), ("created_at",)),
    Column("expires", gettext_lazy("Expires"), ("expires_at",)),
    Column("end", ""),
)


class InvitationFilter(PortalFilterSet):
    """Invitations by text and by where they stand."""

    q = df.CharFilter(label=gettext_lazy("Search"), method="by_text")
    standing = df.ChoiceFilter(
        label=gettext_lazy("Status"),
        choices=[(key, look[2]) for key, look in LOOKS.items()],
        method="by_standing",
    )

    class Meta:
        model = Invitation
        fields: list[str] = []

    def by_text(self, queryset: QuerySet, name: str, value: str) -> QuerySet:
        """Keep what has the text in address, note or the name of who invited."""
        words = Q(email__icontains=value) | Q(note__icontains=value)
        return queryset.filter(words | Q(invited_by__username__icontains=value))

    def by_standing(self, queryset: QuerySet, name: str, value: str) -> QuerySet:
        """Keep those that stand so."""
        if value == "open":
            return queryset.open()
        if value == "expired":
            return queryset.pending().filter(expires_at__lte=timezone.now())
        return queryset.filter(**{f"{value}_at__isnull": False})


class InvitationForm(forms.Form):
    """Whom to invite, and what they may do then."""

    email = forms.EmailField(
        label=gettext_lazy("E-mail address"), max_length=254, widget=forms.EmailInput(CONTROL)
    )
    role = one_of(gettext_lazy("Role"), [("", gettext_lazy("none yet")), *Role.choices],
                  required=False)  # fmt: skip
    region = row_of(gettext_lazy("Only over this region"), required=False)
    shared_environment = row_of(gettext_lazy("Only over this shared environment"), required=False)
    tenant = text(gettext_lazy("Only over this tenant"), required=False, max_length=64,
                  help_text=gettext_lazy("Its name. With nothing chosen, the role is over "
                                         "everything."))  # fmt: skip
    groups = forms.ModelMultipleChoiceField(
        label=gettext_lazy("Groups"), queryset=Group.objects.order_by("name"), required=False,
        widget=forms.SelectMultiple({"class": "form-select", "size": 4}),
    )  # fmt: skip
    note = text(gettext_lazy("Note"), required=False, max_length=500,
                help_text=gettext_lazy("For the list here; it is not sent."))  # fmt: skip

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["region"].queryset = Region.objects.visible_to(user).living().order_by("slug")
        environments = SharedEnvironment.objects.visible_to(user).living().order_by("name")
        self.fields["shared_environment"].queryset = environments
        self._tenants = Tenant.objects.visible_to(user).living()

    def clean_tenant(self) -> Tenant | None:
        """Return the living tenant of this name."""
        name = self.cleaned_data["tenant"].strip()
        found = self._tenants.filter(name=name).first() if name else None
        if name and found is None:
            raise forms.ValidationError(_("There is no tenant of this name."))
        return found

    def clean(self) -> dict[str, Any]:
        """Let the role have one scope; `over` is it, None for everything."""
        data = super().clean()
        chosen = [data[name] for name in ("region", "shared_environment", "tenant")
                  if data.get(name)]  # fmt: skip
        if len(chosen) > 1:
            raise forms.ValidationError(
                _("Choose one: a region, a shared environment or a tenant.")
            )
        if chosen and not data.get("role"):
            self.add_error("role", _("Choose the role that is held there."))
        data["over"] = chosen[0] if chosen else None
        return data


class AcceptForm(forms.Form):
    """The new account."""

    username = text(gettext_lazy("User name"), max_length=150)
    first_name = text(gettext_lazy("First name"), required=False, max_length=150)
    last_name = text(gettext_lazy("Last name"), required=False, max_length=150)
    password = forms.CharField(
        label=gettext_lazy("Password"), strip=False,
        widget=forms.PasswordInput({**CONTROL, "autocomplete": "new-password"}),
    )  # fmt: skip
    again = forms.CharField(
        label=gettext_lazy("The same once more"), strip=False,
        widget=forms.PasswordInput({**CONTROL, "autocomplete": "new-password"}),
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].widget.attrs["autocomplete"] = "username"
        self.fields["password"].help_text = " ".join(password_validators_help_texts())

    def clean(self) -> dict[str, Any]:
        """Compare the two passwords."""
        data = super().clean()
        if data.get("password") and data.get("again") and data["password"] != data["again"]:
            self.add_error("again", _("The two passwords differ."))
        data.pop("again", None)
        return data


def invitation_list(request: HttpRequest) -> HttpResponse:
    """Show the invitations."""
    require(request, "admin", None)
    rows = Invitation.objects.select_related("invited_by").prefetch_related("groups")
    filters = InvitationFilter(request.GET, rows, request=request)
    listing = Listing(request, filters, COLUMNS, default="-made", tie="-pk")
    if listing.wants_csv:
        return _export(listing)
    for row in listing.rows:
        row.tone, row.icon, row.words = LOOKS[row.standing]
        row.roles_shown = roles_of(row)
        row.is_pending = row.standing in ("open", "expired")
    context = {"section": "people", "has_mail": bool(settings.EMAIL_URL)}
    return show(request, "account/invitation_list.html", listing, context)


def roles_of(row: Invitation) -> str:
    """Return what the invitation brings, in words."""
    names = dict(Role.choices)
    roles = [f"{names.get(role['role'], role['role'])}: {role['name'] or _('everything')}"
             for role in row.roles]  # fmt: skip
    return ", ".join([*roles, *(group.name for group in row.groups.all())])


def _export(listing: Listing) -> HttpResponse:
    header = ("email", "status", "roles", "invited_by", "made", "expires", "sent", "accepted",
              "revoked", "note")  # fmt: skip

    def cells(row: Invitation) -> tuple[Any, ...]:
        by = row.invited_by.username if row.invited_by else ""
        return (row.email, row.standing, roles_of(row), by, row.created_at, row.expires_at,
                row.sent_at, row.accepted_at, row.revoked_at, row.note)  # fmt: skip

    return export(listing, "invitations", header, cells)


def invitation_new(request: HttpRequest) -> HttpResponse:
    """Invite somebody."""
    require(request, "admin", None)
    form = InvitationForm(request.POST or None, user=request.user)
    if request.method == "POST" and form.is_valid():
        wanted = ("email", "role", "over", "groups", "note")
        data, actor = {name: form.cleaned_data[name] for name in wanted}, from_request(request)
        made = attempt(form, lambda: invitations.create(actor, **data))
        if made is not None:
            _hand_over(request, *made)
            return redirect("invitations")
    context = {"form": form, "section": "people", "days": settings.INVITATION_DAYS}
    return render(request, "account/invitation_new.html", context)


@require_POST
def invitation_resend(request: HttpRequest, invitation_id: str) -> HttpResponse:
    """Make a new link; the old one stops working."""
    require(request, "admin", None)
    row = find(Invitation.objects.all(), invitation_id)
    try:
        _hand_over(request, *invitations.renew(from_request(request), row))
    except Refusal as refusal:
        messages.error(request, str(refusal))
    return redirect("invitations")


@require_POST
def invitation_revoke(request: HttpRequest, invitation_id: str) -> HttpResponse:
    """Take an invitation back."""
    require(request, "admin", None)
    row = find(Invitation.objects.all(), invitation_id)
    try:
        invitations.revoke(from_request(request), row)
        messages.success(request, _("The link for %(email)s does not work any more.")
                         % {"email": row.email})  # fmt: skip
    except Refusal as refusal:
        messages.error(request, str(refusal))
    return redirect("invitations")


def _hand_over(request: HttpRequest, row: Invitation, secret: str) -> None:
    """Send the link, or have the next page show it once where no mail is sent.

    What the next page shows stands in a signed cookie of this browser, not in the database.
    """
    link = request.build_absolute_uri(reverse("invitation", args=[secret]))
    why = invitationmail.send(row, link, request.get_host())
    if why is None:
        messages.success(request, _("The link is on its way to %(email)s.") % {"email": row.email})
        return
    if why:
        messages.error(request, _("The mail was not sent: %(why)s.") % {"why": why})
    words = _("Hand this link to %(email)s yourself, it is shown this once: %(link)s")
    messages.warning(request, words % {"email": row.email, "link": link})


@login_not_required
@never_cache
def invitation(request: HttpRequest, secret: str) -> HttpResponse:
    """Take the secret of a link out of the address, and go on to the form."""
    request.session[SECRET] = secret
    return redirect("invitation_accept")


@login_not_required
@never_cache
def invitation_accept(request: HttpRequest) -> HttpResponse:
    """Make the account of an invitation and sign the person in."""
    if request.user.is_authenticated:
        words = _("You are signed in as %(name)s. Sign out first, then open the link again.")
        return _turned_away(request, words % {"name": request.user.display_name})
    secret = request.session.get(SECRET, "")
    try:
        row = invitations.find(secret)
        form = AcceptForm(request.POST or None, initial={"username": row.email.partition("@")[0]})
        if request.method == "POST" and form.is_valid():
            where = {"ip": client_address(request.META), "request_id": request.id}
            user = _attempt(form, secret, where)
            if user is not None:
                request.session.pop(SECRET, None)
                # Fresh enough to set a second factor up without the password once more.
                record_authentication(request, user, "invitation")
                return perform_login(request, user, email_verification="none")
    except InvitationUnusable as refusal:
        return _turned_away(request, str(refusal))
    context = {"form": form, "row": row, "roles": roles_of(row)}
    return render(request, "account/invitation_accept.html", context)


def _attempt(form: AcceptForm, secret: str, where: dict[str, Any]) -> User | None:
    """Return the new user; None when a field is refused. InvitationUnusable rises."""
    unusable: list[InvitationUnusable] = []

    def act() -> User | None:
        try:
            return invitations.accept(secret, **where, **form.cleaned_data)
        except InvitationUnusable as refusal:
            unusable.append(refusal)
            return None

    user = attempt(form, act, name_field="username")
    if unusable:
        raise unusable[0]
    return user


def _turned_away(request: HttpRequest, words: str) -> HttpResponse:
    context = {"title": _("This invitation cannot be used"), "text": words}
    return render(request, "account/turned_away.html", context, status=410)
