"""What every door does: find the row that the person may see, check the role, say a refusal."""

from collections.abc import Callable
from typing import Any, TypeVar

from django import forms
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest

from omlsaas.lib.refusals import Refusal
from tenants import audit
from tenants.access import KINDS, may_anywhere, user_can  # noqa: F401  (pages ask for both here)
from tenants.actors import from_request
from tenants.errors import InputsRefused, NameRefused, NameTaken, NotAllowed

Row = TypeVar("Row", bound=Model)
Done = TypeVar("Done")


def find(queryset: "QuerySet[Row]", public_id: str) -> Row:
    """Return the row of this public id; Http404 when it is not among these rows.

    Give rows of `visible_to(user)`: what somebody may not see does not exist for them.
    """
    row = queryset.filter(public_id=public_id).first()
    if row is None:
        raise Http404
    return row


def require(request: HttpRequest, kind: str, target: Any) -> None:
    """Raise PermissionDenied with its sentence unless the person may; the refusal is kept."""
    if user_can(request.user, kind, target):
        return
    where = target or "omlsaas"
    refusal = NotAllowed(actor=request.user.display_name, target=where, kind=KINDS[kind])
    audit.record(
        from_request(request),
        "refused",
        target if target is not None else request.user,
        after={**refusal.to_json(), "path": request.path[:200]},
        is_refused=True,
    )
    raise PermissionDenied(str(refusal)) from refusal


def attempt(
    form: forms.Form, act: Callable[[], Done], *, name_field: str | None = None
) -> Done | None:
    """Return what a service gives; None when it refused, with its sentence in the form.

    Nothing that was typed is lost: the form is shown again. Refusals about a name stand at
    `name_field`, everything else above the form.
    """
    try:
        return act()
    except InputsRefused as refusal:
        form.refuse(refusal.problems)
    except (NameRefused, NameTaken) as refusal:
        form.add_error(name_field, str(refusal))
    except NotAllowed as refusal:
        raise PermissionDenied(str(refusal)) from refusal
    except Refusal as refusal:
        form.add_error(None, str(refusal))
    except ValidationError as error:
        for field, texts in error.message_dict.items():
            form.add_error(field if field in form.fields else None, texts)
    return None
