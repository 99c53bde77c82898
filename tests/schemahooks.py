"""What schemathesis asks about: rows that there are.

An id is a text by the document, and a made-up one is rightly answered with 404. So that valid data
finds its row, path parameters and ids in bodies are those of seeded rows (API_IDS); an id that an
answer gave stays. Data that is wrong on purpose stays as it is. What an operation uses up, it gets
fresh.
"""

import itertools
import json
import os
import re
from typing import Any

import requests
import schemathesis
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation.meta import TestPhase

SEEDED: dict[str, Any] = json.loads(os.environ["API_IDS"])
HEADERS = {"Authorization": f"Bearer {os.environ['API_TOKEN']}"}
PUBLIC_ID = re.compile(r"[a-z]{3}_[0-9A-HJKMNP-TV-Z]{26}")
ROLE = {"role": "viewer", "everything": True}
COUNT = itertools.count(1)
# These need a row of their own: what stands in PARAMS under <operation>.
PARAMS: dict[str, dict[str, Any]] = SEEDED["operations"]


def _origin(case: Any) -> str:
    return f"{case.operation.schema.get_base_url().rstrip('/')}/api/v1"


def fresh_subscription(case: Any) -> str:
    """Return a new subscription of one's own: an operation ends it."""
    body = {"events": ["run.lost"], "over": "everything"}
    made = requests.post(f"{_origin(case)}/subscriptions", json=body, headers=HEADERS, timeout=30)
    return made.json()["id"]


def fresh_pin(case: Any) -> str:
    """Return a component that is pinned, where that is allowed: an operation takes the pin off."""
    path = f"{_origin(case)}/tenants/{case.path_parameters['tenant_id']}/pins/app"
    requests.put(path, json={"version": "1", "reason": "r"}, headers=HEADERS, timeout=30)
    return "app"


def fresh_role(case: Any) -> int:
    """Return a new role where that is allowed: an operation takes it away. Else the seeded one."""
    group = f"of-{next(COUNT)}"
    for path, body in (("groups", {"name": group}), ("roles", {**ROLE, "group": group})):
        made = requests.post(f"{_origin(case)}/{path}", json=body, headers=HEADERS, timeout=30)
    return made.json().get("id") or SEEDED["path"]["role_id"]


FRESH = {
    "get_role": ("role_id", fresh_role),
    "revoke_role": ("role_id", fresh_role),
    "get_subscription": ("subscription_id", fresh_subscription),
    "end_subscription": ("subscription_id", fresh_subscription),
    "unpin_component": ("component", fresh_pin),
}


@schemathesis.hook
def before_call(context: Any, case: Any, **kwargs: Any) -> None:
    """Put ids of rows that there are into valid data."""
    if case.meta is None:
        return
    name = case.operation.definition.raw["operationId"]
    if not case.meta.is_negative_at(ParameterLocation.PATH):
        _fill_path(name, case)
    if not case.meta.is_negative_at(ParameterLocation.BODY):
        _fill_body(case)
    if name.startswith("list_") and case.meta.phase.name == TestPhase.STATEFUL:
        # Filters are tried by themselves; a chain goes on with what a list holds.
        case.query = {}


def _fill_path(name: str, case: Any) -> None:
    found = dict(case.path_parameters or {})
    for key, value in found.items():
        row = PARAMS.get(name, {}).get(key) or SEEDED["path"][key]
        is_told = PUBLIC_ID.fullmatch(str(value)) and str(value)[:4] == str(row)[:4]
        if not is_told or key in PARAMS.get(name, {}):
            found[key] = row
    case.path_parameters = found
    if name in FRESH:
        key, make = FRESH[name]
        case.path_parameters = found | {key: make(case)}


def _fill_body(case: Any) -> None:
    if not isinstance(case.body, dict):
        return
    body = dict(case.body)
    for key, row in SEEDED["body"].items():
        if isinstance(body.get(key), str):
            body[key] = row
        elif isinstance(body.get(key), list) and body[key]:
            body[key] = [row]
    case.body = body
