"""Who may see and do what. Rows are reached only through `visible_to(user)`."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from tenants.actors import Actor
from tenants.errors import NotAllowed
from tenants.models import Host, Region, SharedEnvironment, Stack, Tenant, User
from tenants.querysets import Scopes, user_scopes

# Kinds of action, and their names for people.
KINDS = {
    "view": _("see"),
    "plan": _("plan"),
    "change": _("change"),
    "upgrade": _("upgrade"),
    "backup": _("back up"),
    "restore": _("restore"),
    "destroy": _("destroy"),
    "secrets": _("see secrets"),
    "force_unlock": _("force"),
    "approve": _("approve"),
    "admin": _("administer"),
}
_VIEW = frozenset({"view"})
_OPERATE = _VIEW | {"plan", "change", "upgrade", "backup", "restore", "destroy"}
GRANTS: dict[str, frozenset[str]] = {
    "viewer": _VIEW,
    "operator": _OPERATE,
    "approver": _OPERATE | {"approve"},
    "admin": frozenset(KINDS),
}


def user_can(user: User, kind: str, target: Any = None) -> bool:
    """Tell whether one of the user's roles that cover `target` grants this kind of action.

    `target` is a Region, SharedEnvironment, Tenant, Stack or Host; None asks for everything.
    """
    scopes = user_scopes(user)
    if not scopes.permits(kind):
        return False
    region, environment, tenant = _place(target)
    for role, everything, region_id, environment_id, tenant_id in scopes.rows:
        if kind not in GRANTS.get(role, ()):
            continue
        covers = (
            everything
            or (region and region_id == region)
            or (environment and environment_id == environment)
            or (tenant and tenant_id == tenant)
        )
        if covers:
            return True
    return False


def may_anywhere(user: User, kind: str) -> bool:
    """Tell whether any role of the user grants this kind of action, wherever it holds."""
    scopes = user_scopes(user)
    return scopes.permits(kind) and any(kind in GRANTS.get(row[0], ()) for row in scopes.rows)


def scopes_for(user: User, kind: str) -> Scopes:
    """Return the scopes over which the user's roles grant this kind of action."""
    scopes = user_scopes(user)
    if not scopes.permits(kind):
        return Scopes([])
    return Scopes([row for row in scopes.rows if kind in GRANTS.get(row[0], ())])


def can(actor: Actor, kind: str, target: Any = None) -> bool:
    """Tell whether the actor may do this kind of action. The system may."""
    if actor.kind == "system":
        return True
    if actor.user is None:
        return False
    if actor.limits is not None and actor.user.limits is None:
        # Read anew since the request came in: the token's limits hold all the same.
        actor.user.limits, actor.user._scopes = actor.limits, None
    return user_can(actor.user, kind, target)


def require(actor: Actor, kind: str, target: Any = None) -> None:
    """Raise NotAllowed unless the actor may do this kind of action on the target."""
    if not can(actor, kind, target):
        raise NotAllowed(actor=actor.name, target=target or _("everything"), kind=KINDS[kind])


def sees_around(user: User, stack: Stack) -> bool:
    """Tell whether the user may also see the shared environment and the region of a stack.

    Not by a role over the tenant alone: a customer sees no neighbours.
    """
    scopes = user_scopes(user)
    return (
        scopes.everything
        or stack.region_id in scopes.region_ids
        or stack.parent_environment_id in scopes.shared_environment_ids
    )


def _place(target: Any) -> tuple[int | None, int | None, int | None]:
    """Return the ids (region, shared environment, tenant) that a target lies in."""
    match target:
        case Stack():
            return target.region_id, target.parent_environment_id, target.tenant_id
        case Host():
            return _place(target.stack)
        case Tenant():
            return target.region_id, target.shared_environment_id, target.pk
        case SharedEnvironment():
            return target.region_id, target.pk, None
        case Region():
            return target.pk, None, None
        case _:
            return None, None, None


class EmailOrNameBackend(ModelBackend):
    """Sign-in by user name or e-mail address, whichever was typed."""

    def authenticate(
        self, request: HttpRequest, username: str | None = None, password: str | None = None, **kw
    ) -> User | None:
        """Return the user, or None. Service accounts do not sign in to the portal."""
        if username and "@" in username:
            found = User.objects.filter(email__iexact=username).only("username").first()
            username = found.username if found else username
        user = super().authenticate(request, username=username, password=password, **kw)
        return None if user is None or user.is_service else user
