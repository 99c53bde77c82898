"""Who may see and do what. Rows are reached only through `visible_to(user)`."""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from tenants.actors import Actor
from tenants.errors import NotAllowed
from tenants.models import Host, Membership, Region, SharedEnvironment, Stack, Tenant, User
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


def kinds_of(roles: Iterable[str]) -> frozenset[str]:
    """Return the kinds of action that any of these roles grants."""
    return frozenset().union(*(GRANTS.get(role, ()) for role in roles))


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


def people_over(stack: Stack, kind: str = "view") -> QuerySet[User]:
    """Return the active people who may do this kind of action on a stack, admins among them."""
    roles = [role for role, kinds in GRANTS.items() if kind in kinds]
    scope = Q(everything=True) | Q(region_id=stack.region_id)
    if stack.parent_environment_id:
        scope |= Q(shared_environment_id=stack.parent_environment_id)
    if stack.tenant_id:
        scope |= Q(tenant_id=stack.tenant_id)
    held = _holding(Membership.objects.filter(scope, role__in=roles)) | Q(is_superuser=True)
    return User.objects.filter(held, is_active=True, is_service=False)


def accounts_around(user: User, kind: str) -> QuerySet[User]:
    """Return the active service accounts with a role that meets one by which the user may do this.

    A role meets another where one covers a part of the other, whichever is wider.
    """
    rows = User.objects.filter(is_active=True, is_service=True)
    scopes = scopes_for(user, kind)
    if scopes.everything:
        return rows
    regions, environments = scopes.region_ids, scopes.shared_environment_ids
    tenants = Tenant.objects.filter(pk__in=scopes.tenant_ids)
    above = SharedEnvironment.objects.filter(
        Q(pk__in=environments) | Q(pk__in=tenants.values("shared_environment_id"))
    )
    meets = (
        Q(everything=True)
        | Q(region_id__in=regions)
        | Q(region_id__in=above.values("region_id"))
        | Q(region_id__in=tenants.values("region_id"))
        | Q(shared_environment_id__in=above.values("pk"))
        | Q(shared_environment__region_id__in=regions)
        | Q(tenant_id__in=scopes.tenant_ids)
        | Q(tenant__region_id__in=regions)
        | Q(tenant__shared_environment_id__in=environments)
    )
    return rows.filter(_holding(Membership.objects.filter(meets)) | Q(is_superuser=True))


def _holding(memberships: QuerySet[Membership]) -> Q:
    """Return the condition of users who hold one of these roles, by themselves or by a group."""
    own = memberships.filter(user__isnull=False).values("user_id")
    by_group = memberships.filter(group__isnull=False).values("group_id")
    members = User.groups.through.objects.filter(group_id__in=by_group).values("user_id")
    return Q(pk__in=own) | Q(pk__in=members)


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
