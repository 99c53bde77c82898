"""The audit trail, and who asks."""

from django.http import HttpRequest
from ninja import Query, Router

from api import dress, shapes
from api.paging import page, query_of
from deployments.filters import AuditFilter
from tenants.actors import highest_role
from tenants.models import AuditEntry

router = Router()


@router.get("/me", response=shapes.Me, tags=["me"])
def get_me(request: HttpRequest):
    """Who you are here, and what your token leaves of your roles."""
    user = request.user
    return {
        "id": user.public_id,
        "name": user.display_name,
        "is_service": user.is_service,
        "token": user.limits.token_id if user.limits else None,
        "kinds": sorted(user.limits.kinds) if user.limits else None,
        "role": highest_role(user),
    }


@router.get("/audit", response=shapes.AuditEntries, tags=["audit"])
def list_audit(request: HttpRequest, query: Query[query_of(AuditFilter)]):
    """Who did what, to what and why, the newest first."""
    rows = AuditEntry.objects.visible_to(request.user)
    # As on the page: what somebody did themselves is theirs to see; a token keeps to its places.
    if request.user.limits is None and query.actor == request.user.public_id:
        rows = AuditEntry.objects.filter(actor_id=request.user.public_id)
    return page(request, query, rows, ("-pk",), dress.audit_entry)
