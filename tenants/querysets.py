"""The one way to rows: `visible_to(user)`."""

from typing import TYPE_CHECKING

from django.db import models

if TYPE_CHECKING:
    from tenants.models import User


class RegionScoped(models.QuerySet):
    """Rows that lie in a region, and perhaps in a shared environment or a tenant.

    `scope_paths` names, for each kind of scope, the look-up that leads from a row to it.
    """

    scope_paths: dict[str, str] = {}

    def visible_to(self, user: "User") -> "RegionScoped":
        """Return the rows that this user's roles cover; none for a stranger."""
        return self.within(user_scopes(user))

    def within(self, scopes: "Scopes") -> "RegionScoped":
        """Return the rows that these scopes cover."""
        if scopes.everything:
            return self
        where = models.Q()
        for kind, path in self.scope_paths.items():
            if ids := getattr(scopes, f"{kind}_ids"):
                where |= models.Q(**{f"{path}__in": ids})
        if not where:
            return self.none()
        many = any(path != "pk" and self._is_many(path) for path in self.scope_paths.values())
        return self.filter(where).distinct() if many else self.filter(where)

    def _is_many(self, path: str) -> bool:
        field = self.model._meta.get_field(path.split("__")[0])
        return bool(field.one_to_many or field.many_to_many)


class Scopes:
    """What a user's roles cover, as sets of ids. Each role is kept for `access.can`.

    `kinds` are the only kinds of action that a token allows; None without one.
    """

    def __init__(self, rows: list[tuple], kinds: frozenset[str] | None = None) -> None:
        self.rows = rows
        self.kinds = kinds
        self.everything = any(row[1] for row in rows)
        self.region_ids = frozenset(row[2] for row in rows if row[2])
        self.shared_environment_ids = frozenset(row[3] for row in rows if row[3])
        self.tenant_ids = frozenset(row[4] for row in rows if row[4])

    def permits(self, kind: str) -> bool:
        """Tell whether the token that was shown, if any, allows this kind of action."""
        return self.kinds is None or kind in self.kinds


def user_scopes(user: "User") -> Scopes:
    """Return the user's scopes: one query, kept on the user object for its request.

    Rows are (role, everything, region id, shared environment id, tenant id).
    """
    kept = getattr(user, "_scopes", None)
    if kept is not None:
        return kept
    if not user.is_authenticated or not user.is_active:
        scopes = Scopes([])
    elif user.is_superuser:
        scopes = Scopes([("admin", True, None, None, None)])
    else:
        # Fetched from the user's side, so that this module needs no model.
        held = user.memberships.model.objects.filter(
            models.Q(user=user) | models.Q(group__user=user)
        )
        columns = ("role", "everything", "region_id", "shared_environment_id", "tenant_id")
        scopes = Scopes(list(held.values_list(*columns).distinct()))
    if user.is_authenticated and user.limits is not None:
        scopes = user.limits.narrow(scopes)
    user._scopes = scopes
    return scopes
