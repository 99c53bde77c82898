"""leftovers.clear: what a destroy leaves that is nobody's any more is removed, the rest is named.

The portal keeps the state as it was, so the empty one in its place is worth nothing. A part that
cannot be cleared fails no run: what was to be destroyed is gone.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deployments.cloud import buckets, engines
from deployments.cloud.checking import public_zones
from deployments.cloud.errors import CloudRefusal
from deployments.runner.workdir import local_state_path
from deployments.steps import Piece, StepKind, register, states
from deployments.steps.parameters import own_parameter
from deployments.steps.provider import asking, client
from deployments.work import Work
from tenants.models import Stack
from tenants.models.accounts import StateBackend

# The most that one call deletes.
PARAMETERS_AT_ONCE = 10


def _clear(work: Work, params: Mapping[str, Any]) -> None:
    """Do each part; what it tells stands in the log, and all of it on the page."""
    left = Stack.objects.values_list("resource_count", flat=True).get(pk=work.stack.pk)
    if left:
        work.say(_("%s resources still stand: nothing is cleared.") % left)
        return
    told = [line for part in (_state, _parameters, _records) for line in _tried(work, part, params)]
    work.say("\n".join(told), {"text": " ".join(told)})


def _tried(
    work: Work, part: Callable[[Work, Mapping[str, Any]], Iterator[str]], params: Mapping[str, Any]
) -> list[str]:
    work.check_cancel()
    try:
        return list(part(work, params))
    except CloudRefusal as refusal:
        return [_("Not cleared: %s") % refusal]


# -- the state ------------------------------------------------------------------------------


def _state(work: Work, params: Mapping[str, Any]) -> Iterator[str]:
    stack = work.stack
    if stack.backend == StateBackend.PG:
        schema = stack.public_id.lower()
        yield _("The empty state stays in schema %s of the database of states.") % schema
        return
    if stack.backend == StateBackend.LOCAL:
        folder = local_state_path(settings.STATE_ROOT, stack.public_id).parent
        shutil.rmtree(folder, ignore_errors=True)
        text = _("The empty state was removed from this host.")
    else:
        with asking(_("Removing the state")):
            text = _state_in_bucket(work)
    with transaction.atomic():
        work.fence()
        states.forget_on_stack(stack)
    yield text


def _state_in_bucket(work: Work) -> str:
    """Delete all versions of the stack's state, and what DynamoDB remembers of it."""
    region, s3 = work.stack.region, client(work, "s3")
    bucket = buckets.state_bucket(region)
    prefix, count = f"{work.stack.public_id}/", 0
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
        found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        keys = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in found]
        if keys:
            s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
            count += len(keys)
    if table := region.backend_config.get("dynamodb_table"):
        key = f"{bucket}/{prefix}{engines.STATE_KEY}-md5"
        client(work, "dynamodb").delete_item(TableName=table, Key={"LockID": {"S": key}})
    words = {"count": count, "place": f"{bucket}/{prefix}"}
    return _("%(count)s versions of the state and its locks were removed from %(place)s.") % words


# -- parameters and records -----------------------------------------------------------------


def _parameters(work: Work, params: Mapping[str, Any]) -> Iterator[str]:
    """Delete what runs lent and a lost one did not take back."""
    if "parameters" not in params:
        return
    path = own_parameter(work, work.render(params["parameters"]))
    with asking(_("Removing the parameters below %s") % path):
        ssm = client(work, "ssm")
        pages = ssm.get_paginator("get_parameters_by_path").paginate(Path=path, Recursive=True)
        names = [one["Name"] for page in pages for one in page["Parameters"]]
        for start in range(0, len(names), PARAMETERS_AT_ONCE):
            ssm.delete_parameters(Names=names[start : start + PARAMETERS_AT_ONCE])
    if names:
        yield _("Parameters were removed: %s.") % ", ".join(sorted(names))


def _records(work: Work, params: Mapping[str, Any]) -> Iterator[str]:
    """Name the records that still lead to the stack's names: somebody else made them."""
    domain = work.stack.region.domain_name
    wanted = {f"{work.render(label)}.{domain}." for label in params.get("records", ())}
    if not wanted or not domain:
        return
    with asking(_("Looking for left records of %s") % domain):
        route53 = client(work, "route53")
        named = work.stack.region.hosted_zone
        zones = [named] if named else [one["Id"] for one in public_zones(route53, f"{domain}.")]
        found = [
            f"{one['Name'].rstrip('.')} ({one['Type']})"
            for zone in zones
            for page in route53.get_paginator("list_resource_record_sets").paginate(
                HostedZoneId=zone
            )
            for one in page["ResourceRecordSets"]
            if one["Name"] in wanted
        ]
    if found:
        names = ", ".join(sorted(found))
        yield _("Records stay that no stack made; remove them by hand: %s.") % names


register(
    StepKind(
        name="leftovers.clear",
        phase="configure",
        pieces=(
            Piece(
                "leftovers.clear",
                gettext_lazy("Clear what is left"),
                call=_clear,
                error_kind="step",
            ),
        ),
        params={"parameters": str, "records": list},
        risk="changes",
        cancel="stops before the next part",
        resume="done again",
    )
)
