"""Who acts: one frozen value, made in one place per door, stored as text."""

import getpass
import os
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from django.http import HttpRequest

from omlsaas.lib.client_address import client_address
from tenants.models import User
from tenants.querysets import user_scopes

SYSTEM_IN_SHELL = ("system:cron", "system:shell")
RANK = {"": 0, "viewer": 1, "operator": 2, "approver": 3, "admin": 4}


@dataclass(frozen=True)
class Actor:
    """A user, a service account or the system, with the door that they came through."""

    kind: str  # user | service | system
    id: str
    name: str
    role: str = ""
    token_id: str = ""
    ip: str | None = None
    request_id: str = ""
    operation_id: str = ""
    origin: str = ""
    reason: str = ""
    # Public ids of other people who can act by it: who made the token, or the service account.
    behind: tuple[str, ...] = ()
    user: User | None = field(default=None, compare=False, repr=False)
    # What a token leaves of the user's rights (tenants.limits); `access.can` holds to it whatever
    # user object it is asked with.
    limits: Any = field(default=None, compare=False, repr=False)

    def because(self, reason: str) -> "Actor":
        """Return the same actor with a reason for this act."""
        return replace(self, reason=reason.strip()[:2000])

    @property
    def persons(self) -> frozenset[str]:
        """Return the ids that count as one person with this actor where two are asked for."""
        return frozenset((self.id, *self.behind))

    def to_json(self) -> dict[str, Any]:
        """Return the actor as text: what rows and messages carry."""
        plain = asdict(replace(self, user=None, limits=None))
        return {key: value for key, value in plain.items() if value}


def highest_role(user: User) -> str:
    """Return the strongest role that the user holds anywhere; empty for none."""
    roles = [row[0] for row in user_scopes(user).rows]
    return max(roles, key=lambda role: RANK.get(role, 0), default="")


def from_user(user: User, *, origin: str, **more: Any) -> Actor:
    """Return the actor for a signed-in user or a service account."""
    return Actor(
        kind="service" if user.is_service else "user",
        id=user.public_id,
        name=user.display_name,
        role=highest_role(user),
        token_id=user.limits.token_id if user.limits else "",
        origin=origin,
        behind=_behind(user),
        user=user,
        limits=user.limits,
        **more,
    )


def _behind(user: User) -> tuple[str, ...]:
    """Return who else can act as this user: a person's own session has nobody behind it."""
    made = {user.made_by_id if user.is_service else "", user.limits.made_by if user.limits else ""}
    return tuple(sorted(made - {"", user.public_id}))


def from_request(request: HttpRequest, *, origin: str = "portal") -> Actor:
    """Return the actor of a signed-in request, with its address and request id."""
    return from_user(
        request.user,
        origin=getattr(request, "door", origin),
        ip=client_address(request.META),
        request_id=getattr(request, "id", ""),
    )


def system(name: str, *, origin: str = "") -> Actor:
    """Return the portal itself acting, such as `system:cron` or `system:worker`."""
    return Actor(kind="system", id=f"system:{name}", name=f"system:{name}", origin=origin)


def from_shell(name: str) -> Actor:
    """Return the actor of a management command: a user name, `system:cron` or `system:shell`.

    The shell's user and terminal are recorded beside it. Raises User.DoesNotExist.
    """
    origin = f"command by {_shell_user()} on {_terminal()}"
    if name in SYSTEM_IN_SHELL:
        return system(name.removeprefix("system:"), origin=origin)
    return from_user(User.objects.get(username=name, is_active=True), origin=origin)


def _shell_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def _terminal() -> str:
    try:
        return os.ttyname(0)
    except OSError:
        return "no terminal"
