"""parameter.lend, secret.hand_over: what a machine reads once, for the length of one run.

Both put a parameter into the provider's store and take it away at the very end of the run,
however that ends: nothing of it is in Terraform, and a machine made next month finds nothing.
"""

import json
import secrets as random
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deployments.cloud.words import API_ERRORS, code_of
from deployments.services.handed import handed_name
from deployments.steps import Piece, StepKind, register
from deployments.steps.errors import ParameterNotOurs
from deployments.steps.provider import asking, client
from deployments.work import Work
from tenants import secrets
from tenants.models import Secret
from tenants.models.secrets import SecretKind

VALID_S = 6 * 3600
LENGTH = 20
# Without what is easily misread, and without what a shell, a URL or JSON would have to escape.
ALPHABET = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"


def _name(work: Work, params: Mapping[str, Any]) -> str:
    return own_parameter(work, work.render(params["parameter"]))


def own_parameter(work: Work, name: str) -> str:
    """Return a parameter's name, which has the stack's own as a part. Raises ParameterNotOurs."""
    if not name.startswith("/") or work.stack.name not in name.split("/"):
        raise ParameterNotOurs(parameter=name, stack=work.stack)
    return name


def _put(work: Work, name: str, value: str, kind: str) -> None:
    with asking(_("Writing the parameter %s") % name):
        client(work, "ssm").put_parameter(Name=name, Value=value, Type=kind, Overwrite=True)


def _take_away(work: Work, params: Mapping[str, Any]) -> None:
    name = _name(work, params)
    with asking(_("Deleting the parameter %s") % name):
        try:
            client(work, "ssm").delete_parameter(Name=name)
        except API_ERRORS as error:
            if code_of(error) != "ParameterNotFound":
                raise
            return
    work.say(_("The parameter %s was taken away.") % name)


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _lend(work: Work, params: Mapping[str, Any]) -> None:
    name, valid = _name(work, params), timedelta(seconds=int(params.get("valid_s", VALID_S)))
    order = {key: _as_text(value) for key, value in work.render(dict(params["values"])).items()}
    until = (timezone.now() + valid).strftime("%Y-%m-%dT%H:%M:%SZ")
    told = {"run": work.run.public_id, "until": until, **order}
    _put(work, name, json.dumps(told), "String")
    words = ", ".join(f"{key} = {value or '–'}" for key, value in order.items())
    work.say(_("%(name)s says for this run: %(words)s") % {"name": name, "words": words})


def _hand_over(work: Work, params: Mapping[str, Any]) -> None:
    name, length = _name(work, params), int(params.get("length", LENGTH))
    value = "".join(random.choice(ALPHABET) for _n in range(length))
    with transaction.atomic():
        work.fence()
        kept = handed_name(work.run, params["name"])
        secrets.store(work.stack, kept, value, kind=SecretKind.HANDED)
    work.learn_secrets()
    _put(work, name, value, "SecureString")
    work.say(_("A new %(what)s waits in %(name)s.") % {"what": params["name"], "name": name})


def _close(work: Work, params: Mapping[str, Any]) -> None:
    """Take the parameter away; a secret that nobody took over is forgotten."""
    if work.notes.get("failed"):
        kept = handed_name(work.run, params["name"])
        Secret.objects.filter(stack=work.stack, kind=SecretKind.HANDED, name=kept).delete()
    _take_away(work, params)


register(
    StepKind(
        name="parameter.lend",
        phase="apply",
        also=("configure",),
        pieces=(
            Piece("parameter.lend", gettext_lazy("Tell the machines what to do at their start"),
                  call=_lend, error_kind="step"),
        ),
        last=(
            Piece("parameter.take", gettext_lazy("Take the order away"), call=_take_away,
                  always=True, error_kind="step"),
        ),
        params={"parameter": str, "values": dict, "valid_s": int},
        cancel="taken away",
        resume="done again",
    )
)  # fmt: skip
register(
    StepKind(
        name="secret.hand_over",
        phase="configure",
        pieces=(
            Piece("secret.hand_over", gettext_lazy("Hand a new secret over"),
                  call=_hand_over, error_kind="step"),
        ),
        last=(
            Piece("secret.take", gettext_lazy("Take the secret away"), call=_close,
                  always=True, error_kind="step"),
        ),
        params={"parameter": str, "name": str, "length": int},
        risk="changes",
        cancel="taken away, and forgotten",
        resume="another one is made",
    )
)  # fmt: skip
