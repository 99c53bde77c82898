"""People, groups and roles: the only writers of them, each with its audit entry.

Whoever administers everything may call these. Passwords are never in an entry, only that one was
set. Changes that could leave nobody in charge take one lock, so that two admins who remove each
other at the same time do not both succeed.
"""

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from tenants import access, audit
from tenants.actors import Actor
from tenants.errors import LastAdmin, OnlySuperuser, RoleHeldAlready, TokenGivesLess
from tenants.models import Membership, User
from tenants.models.access import Role

USER_FIELDS = (
    "username",
    "email",
    "first_name",
    "last_name",
    "time_zone",
    "language",
    "is_active",
    "is_service",
    "is_superuser",
)
# Any number that nothing else locks by.
LOCK = 0x6F6D6C01


def admins() -> QuerySet[User]:
    """Return the active people who may administer everything."""
    role = {"role": Role.ADMIN, "everything": True}
    own = Q(memberships__in=Membership.objects.filter(**role))
    by_group = Q(groups__memberships__in=Membership.objects.filter(**role))
    people = User.objects.filter(is_active=True, is_service=False)
    return people.filter(Q(is_superuser=True) | own | by_group).distinct()


def create_user(
    actor: Actor,
    *,
    username: str,
    password: str = "",
    groups: Iterable[Group] = (),
    **fields: Any,
) -> User:
    """Create a user; without a password nobody can sign in as them until one is set.

    Raises ValidationError for values that break a rule, with the field's name.
    """
    access.require(actor, "admin")
    groups = list(groups)
    require_gift(actor, groups=groups)
    _known(fields)
    user = User(username=username, **fields)
    _note_maker(actor, user)
    if user.is_superuser:
        _only_superuser(actor, user)
    _check(user, password)
    with transaction.atomic():
        if password:
            user.set_password(password)
        else:
            user.set_unusable_password()
        user.save(force_insert=True)
        user.groups.set(groups)
        after = {**_plain(user), "password": "(set)" if password else "(none)"}
        audit.record(actor, "user.create", user, after=after)
    return user


def change_user(
    actor: Actor,
    user: User,
    *,
    password: str = "",
    groups: Iterable[Group] | None = None,
    **fields: Any,
) -> User:
    """Change a user, their password or their groups; nothing is written when nothing differs.

    Raises ValidationError with the field's name, LastAdmin and OnlySuperuser.
    """
    access.require(actor, "admin")
    groups = None if groups is None else list(groups)
    require_gift(actor, groups=groups or ())
    _known(fields)
    with _somebody_in_charge(user):
        row = User.objects.select_for_update().get(pk=user.pk)
        if row.is_superuser or fields.get("is_superuser"):
            _only_superuser(actor, row)
        before = _plain(row)
        for name, value in fields.items():
            setattr(row, name, value)
        _note_maker(actor, row)
        _check(row, password, changed=fields)
        if groups is not None:
            row.groups.set(groups)
        old, new = audit.changes(before, _plain(row))
        if password:
            row.set_password(password)
            old, new = {**old, "password": "(set)"}, {**new, "password": "(changed)"}
        if old or new:
            row.save()
            audit.record(actor, "user.change", row, before=old, after=new)
    return row


def change_group(
    actor: Actor, group: Group | None, *, name: str, members: Iterable[User] | None = None
) -> Group:
    """Make a group, or change its name and who belongs to it. `members` None leaves them."""
    access.require(actor, "admin")
    row = group if group is not None and group.pk else Group()
    if row.pk and members is not None:
        require_gift(actor, groups=[row])
    with _somebody_in_charge(actor.user):
        is_new = row.pk is None
        before = {} if is_new else _group(Group.objects.select_for_update().get(pk=row.pk))
        row.name = name
        row.full_clean(exclude=["permissions"])
        row.save()
        if members is not None:
            row.user_set.set(members)
        old, new = audit.changes(before, _group(row))
        if old or new:
            audit.record(actor, "group.change", row, before=old or None, after=new)
    return row


def follow_groups(
    actor: Actor, user: User, *, mapped: dict[str, str], held: Collection[str]
) -> tuple[list[str], list[str]]:
    """Put a user into the groups that a provider's groups stand for, and out of the others.

    `mapped` gives the name of our group for one of the provider's; `held` are the user's there.
    Groups that `mapped` does not name are left alone. Returns the names gained and lost. The last
    admin keeps what they have: nobody would be left to give it back.
    """
    wanted = {ours for theirs, ours in mapped.items() if theirs in held}
    for name in sorted(wanted):
        Group.objects.get_or_create(name=name)
    known = Group.objects.filter(name__in=set(mapped.values()))
    try:
        with _somebody_in_charge(user):
            User.objects.select_for_update().get(pk=user.pk)
            before = set(user.groups.filter(pk__in=known).values_list("name", flat=True))
            gained, lost = sorted(wanted - before), sorted(before - wanted)
            user.groups.add(*known.filter(name__in=gained))
            user.groups.remove(*known.filter(name__in=lost))
            if gained or lost:
                old, new = {"groups": sorted(before)}, {"groups": sorted(wanted)}
                audit.record(actor, "role.follow", user, before=old, after=new)
    except LastAdmin as refusal:
        audit.record(actor, "role.follow", user, after=refusal.to_json(), is_refused=True)
        return [], []
    return gained, lost


def require_gift(actor: Actor, roles: Iterable[str] = (), groups: Iterable[Group] = ()) -> None:
    """Raise TokenGivesLess when a token would give more than it may do itself.

    Whoever gets a role or a place in a group keeps it when the token is gone.
    """
    if actor.limits is None:
        return
    held = Membership.objects.filter(group__in=list(groups)).values_list("role", flat=True)
    if more := access.kinds_of([*roles, *held]) - actor.limits.kinds:
        kinds = ", ".join(str(access.KINDS[kind]) for kind in access.KINDS if kind in more)
        raise TokenGivesLess(kinds=kinds)


def grant_role(
    actor: Actor,
    *,
    role: str,
    user: User | None = None,
    group: Group | None = None,
    **scope: Any,
) -> Membership:
    """Give a user or a group a role over exactly one scope.

    `scope` is everything=True, region=, shared_environment= or tenant=. Raises ValidationError
    when there is not exactly one holder and one scope, and RoleHeldAlready.
    """
    access.require(actor, "admin")
    require_gift(actor, [role])
    row = Membership(user=user, group=group, role=role, **scope)
    with transaction.atomic():
        row.clean_fields()
        _one_of_each(row)
        same = {name: getattr(row, name) for name in ("user", "group", "role", "everything")}
        places = {name: getattr(row, name) for name in ("region", "shared_environment", "tenant")}
        if Membership.objects.filter(**same, **places).exists():
            raise RoleHeldAlready(
                holder=user or group, role=row.get_role_display(), scope=row.scope_text
            )
        row.save(force_insert=True)
        audit.record(actor, "role.grant", user or group, after=_role(row), place=_place(row))
    return row


def revoke_role(actor: Actor, membership: Membership) -> None:
    """Take a role away. Raises LastAdmin."""
    access.require(actor, "admin")
    holder = membership.user or membership.group
    with _somebody_in_charge(holder):
        before, place = _role(membership), _place(membership)
        if Membership.objects.filter(pk=membership.pk).delete()[0]:
            audit.record(actor, "role.revoke", holder, before=before, place=place)


@contextmanager
def _somebody_in_charge(about: Any) -> Iterator[None]:
    """Make one transaction that fails with LastAdmin when it leaves nobody in charge."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        was_there = admins().exists()
        yield
        if was_there and not admins().exists():
            raise LastAdmin(name=about or _("You"))


def _note_maker(actor: Actor, user: User) -> None:
    """Keep which person made a service account: author and approver are told apart by it."""
    if user.is_service and not user.made_by_id and actor.user is not None:
        # A service account acts for whoever made its token, or itself.
        user.made_by_id = actor.behind[0] if actor.kind == "service" and actor.behind else actor.id


def _known(fields: dict[str, Any]) -> None:
    if unknown := set(fields) - set(USER_FIELDS):
        raise TypeError(f"users have no {sorted(unknown)} to change here")


def _only_superuser(actor: Actor, user: User) -> None:
    is_one = actor.user is not None and actor.user.is_superuser
    if actor.kind != "system" and not is_one:
        raise OnlySuperuser(name=user.username)


def _check(user: User, password: str, changed: Iterable[str] | None = None) -> None:
    """Raise ValidationError for values or a password that break a rule."""
    exclude = {"password"}
    if changed is not None:
        exclude |= {field.name for field in User._meta.fields} - {*changed}
    user.full_clean(exclude=exclude, validate_constraints=False)
    # The constraint holds anyway; looked up here so that its words stand at the field.
    others = User.objects.exclude(pk=user.pk)
    if user.email and others.filter(email__iexact=user.email).exists():
        raise ValidationError({"email": _("Another user has this e-mail address.")})
    if password:
        try:
            validate_password(password, user)
        except ValidationError as error:
            raise ValidationError({"password": error.messages}) from error


def _plain(user: User) -> dict[str, Any]:
    kept = {name: getattr(user, name) for name in USER_FIELDS}
    kept["groups"] = sorted(user.groups.values_list("name", flat=True)) if user.pk else []
    return kept


def _group(group: Group) -> dict[str, Any]:
    members = sorted(group.user_set.values_list("username", flat=True))
    return {"name": group.name, "members": members}


def _role(row: Membership) -> dict[str, str]:
    return {"role": row.role, "scope": row.scope_text}


def _place(row: Membership) -> Any:
    return row.region or row.shared_environment or row.tenant


def _one_of_each(row: Membership) -> None:
    """Raise ValidationError, at the fields, unless there is one holder and one scope."""
    if bool(row.user) == bool(row.group):
        raise ValidationError({"user": _("Choose one user or one group.")})
    scopes = [row.everything, row.region, row.shared_environment, row.tenant]
    if sum(map(bool, scopes)) != 1:
        words = _("Choose one: everything, a region, a shared environment or a tenant.")
        raise ValidationError({"everything": words})
