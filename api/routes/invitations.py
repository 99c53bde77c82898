"""Invitations: links by which somebody gets an account."""

from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Query, Router
from pydantic import Field

from api.doors import chosen, cleaned, made_at
from api.paging import Page, page, query_of
from api.routes.people import SCOPES, GroupNames, group_rows
from api.routes.places import Id
from api.values import PATTERN, Asked, Name, Shape
from deployments.views.doors import find, require
from deployments.views.invitations import LOOKS, InvitationFilter, InvitationForm
from tenants.actors import from_request
from tenants.models import Invitation
from tenants.models.access import Role
from tenants.signin import invitationmail, invitations

router = Router(tags=["people"])


class InvitedRole(Shape):
    """A role that an invitation brings; without a name it is over everything."""

    role: str
    scope: str
    name: str


class InvitationShape(Shape):
    """An invitation, without its link."""

    id: str
    email: str
    standing: Literal[tuple(LOOKS)]
    roles: list[InvitedRole]
    groups: list[str]
    note: str
    invited_by: str
    created_at: datetime
    expires_at: datetime
    sent_at: datetime | None
    accepted_at: datetime | None
    revoked_at: datetime | None


class InvitationMade(InvitationShape):
    """An invitation that was just made or renewed."""

    link: str | None = Field(
        description="Where no mail has left: hand it over yourself, it is told this once."
    )
    mail_error: str = Field(description="Why the mail did not leave; empty otherwise.")


class Invitations(Page):
    """A page of invitations."""

    items: list[InvitationShape]


class NewInvitation(Asked):
    """Whom to invite, and what they may do then: a role over everything, or over one place."""

    email: Annotated[str, Field(max_length=254, pattern=PATTERN)]
    role: Literal[tuple(Role.values)] | None = None
    region: Name | None = None
    environment: Name | None = None
    tenant: Name | None = None
    groups: GroupNames = Field(default_factory=list)
    note: Annotated[str, Field(max_length=500, pattern=PATTERN)] = ""


def dress_invitation(row: Invitation) -> dict[str, Any]:
    """Return an invitation as answers have it."""
    names = ("email", "standing", "note", "created_at", "expires_at", "sent_at", "accepted_at",
             "revoked_at")  # fmt: skip
    return {name: getattr(row, name) for name in names} | {
        "id": row.public_id,
        "roles": [{name: one[name] for name in ("role", "scope", "name")} for one in row.roles],
        "groups": sorted(group.name for group in row.groups.all()),
        "invited_by": row.invited_by.username if row.invited_by else "",
    }


def _rows():
    return Invitation.objects.select_related("invited_by").prefetch_related("groups")


def _hand_over(request: HttpRequest, row: Invitation, secret: str) -> dict[str, Any]:
    """Send the link, or give it to the caller where no mail has left."""
    link = request.build_absolute_uri(reverse("invitation", args=[secret]))
    why = invitationmail.send(row, link, request.get_host())
    told = {"link": None if why is None else link, "mail_error": why or ""}
    return dress_invitation(find(_rows(), row.public_id)) | told


@router.get("/invitations", response=Invitations)
def list_invitations(request: HttpRequest, query: Query[query_of(InvitationFilter)]):
    """Invitations, the newest first."""
    require(request, "admin", None)
    return page(request, query, _rows(), ("-pk",), dress_invitation)


@router.post("/invitations", response={201: InvitationMade})
def create_invitation(request: HttpRequest, asked: NewInvitation, response: HttpResponse):
    """Invite somebody. The link goes by mail, or into the answer where there is no mail."""
    require(request, "admin", None)
    places = {
        name: chosen(model.objects.visible_to(request.user).living(), name, getattr(asked, name))
        for name, model in SCOPES.items()
    }
    form = InvitationForm(
        {
            "email": asked.email,
            "role": asked.role or "",
            "region": _pk(places["region"]),
            "shared_environment": _pk(places["environment"]),
            "tenant": places["tenant"].name if places["tenant"] else "",
            "groups": [group.pk for group in group_rows(asked.groups) or ()],
            "note": asked.note,
        },
        user=request.user,
    )
    data = cleaned(form)
    wanted = {name: data[name] for name in ("email", "role", "over", "groups", "note")}
    row, secret = invitations.create(from_request(request), **wanted)
    made_at(response, "get_invitation", row.public_id)
    return _hand_over(request, row, secret)


def _pk(row: Any) -> int | str:
    return row.pk if row else ""


@router.get("/invitations/{invitation_id}", response=InvitationShape)
def get_invitation(request: HttpRequest, invitation_id: Id):
    """One invitation."""
    require(request, "admin", None)
    return dress_invitation(find(_rows(), invitation_id))


@router.post("/invitations/{invitation_id}/resend", response=InvitationMade)
def resend_invitation(request: HttpRequest, invitation_id: Id):
    """Make a new link with a new end; the old one stops working."""
    require(request, "admin", None)
    row, secret = invitations.renew(from_request(request), find(_rows(), invitation_id))
    return _hand_over(request, row, secret)


@router.post("/invitations/{invitation_id}/revoke", response=InvitationShape)
def revoke_invitation(request: HttpRequest, invitation_id: Id):
    """Make a link stop working for good."""
    require(request, "admin", None)
    invitations.revoke(from_request(request), find(_rows(), invitation_id))
    return dress_invitation(find(_rows(), invitation_id))
