"""What a token leaves of its owner's rights. `querysets.user_scopes` applies it to everything."""

from collections.abc import Iterable
from dataclasses import dataclass

from tenants.models import ApiToken, SharedEnvironment, Tenant
from tenants.querysets import Scopes

# A row of rights: role, everything, region id, shared environment id, tenant id.
Row = tuple[str, bool, int | None, int | None, int | None]
# Where something lies, from the region down: each id or None.
Chain = tuple[int | None, int | None, int | None]


@dataclass(frozen=True)
class Limits:
    """The kinds of action and the places of one token; without places nothing is left."""

    token_id: str
    kinds: frozenset[str]
    everything: bool
    places: tuple[tuple[int | None, int | None, int | None], ...] = ()
    # Public id of the person who made the token.
    made_by: str = ""

    @classmethod
    def of(cls, token: ApiToken) -> "Limits":
        """Return the limits of a token; one query when it is narrowed to places."""
        places: tuple = ()
        if not token.everything:
            columns = ("region_id", "shared_environment_id", "tenant_id")
            places = tuple(token.places.values_list(*columns))
        kinds = frozenset(token.kinds) | {"view"}
        return cls(token.public_id, kinds, token.everything, places, token.created_by_id)

    def narrow(self, scopes: Scopes) -> Scopes:
        """Return what lies both in the owner's roles and in the token's places."""
        if self.everything:
            return Scopes(scopes.rows, self.kinds)
        chains = _Chains([*self.places, *(row[2:] for row in scopes.rows)])
        found = {
            (row[0], *meet)
            for row in scopes.rows
            for place in self.places
            if (meet := chains.meet(row[1:], place)) is not None
        }
        return Scopes(sorted(found, key=repr), self.kinds)


class _Chains:
    """Knows what lies in what, for the places that are asked about."""

    def __init__(self, places: Iterable[Chain]) -> None:
        places = list(places)
        environments = {environment for _, environment, _ in places if environment}
        tenants = {tenant for _, _, tenant in places if tenant}
        rows = SharedEnvironment.objects.filter(pk__in=environments) if environments else ()
        self._regions = dict(rows.values_list("pk", "region_id")) if environments else {}
        columns = ("pk", "region_id", "shared_environment_id")
        found = Tenant.objects.filter(pk__in=tenants).values_list(*columns) if tenants else ()
        self._tenants = {pk: (region, environment, pk) for pk, region, environment in found}

    def chain(self, place: Chain) -> Chain | None:
        """Return where a place lies; None for one that is gone."""
        region, environment, tenant = place
        if tenant:
            return self._tenants.get(tenant)
        if environment:
            return (
                (self._regions[environment], environment, None)
                if environment in (self._regions)
                else None
            )
        return (region, None, None)

    def meet(self, held: tuple, place: Chain) -> tuple | None:
        """Return the smaller of a role's scope and a place as a row's end; None when apart."""
        narrowed = (False, *place)
        if held[0]:
            return narrowed
        mine, asked = self.chain(held[1:]), self.chain(place)
        if mine is None or asked is None:
            return None
        if _holds(mine, asked):
            return narrowed
        return held if _holds(asked, mine) else None


def _holds(outer: Chain, inner: Chain) -> bool:
    """Tell whether the outer place is the inner one or around it."""
    return all(theirs is None or theirs == own for theirs, own in zip(outer, inner, strict=True))
