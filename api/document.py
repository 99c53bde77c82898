"""What the OpenAPI document says beyond types: problems of each operation, headers, links."""

from typing import Any

from api.problems import MEDIA_TYPE, TITLES

ALWAYS = (400, 401, 403, 404, 422, 429)
# What follows from an answer: operation and status -> operations, with where the id is in it.
FOLLOWS: dict[tuple[str, str], tuple[tuple[str, ...], str, str]] = {
    ("list_regions", "200"): (("get_region", "ask_region"), "region_id", "/items/0/id"),
    ("list_environments", "200"): (("get_environment",), "environment_id", "/items/0/id"),
    ("list_releases", "200"): (("get_release",), "release_id", "/items/0/id"),
    ("list_tenants", "200"): (("get_tenant", "change_tenant"), "tenant_id", "/items/0/id"),
    ("create_region", "201"): (
        ("get_region", "change_region", "archive_region"), "region_id", "/id",
    ),
    ("create_environment", "201"): (
        ("get_environment", "archive_environment"), "environment_id", "/id",
    ),
    ("create_release", "201"): (("get_release", "archive_release"), "release_id", "/id"),
    ("create_tenant", "201"): (
        ("get_tenant", "change_tenant", "archive_tenant", "pin_component", "unpin_component"),
        "tenant_id", "/id",
    ),
    ("list_states", "200"): (("rollback_state",), "version_id", "/items/0/id"),
    ("list_stacks", "200"): (
        ("get_stack", "list_actions", "list_backups", "list_restore_points", "list_states",
         "change_inputs", "change_settings", "review_stack", "unlock_state"),
        "stack_id", "/items/0/id",
    ),
    ("list_runs", "200"): (
        ("get_run", "list_events", "get_log", "get_plan", "confirm_run", "discard_run",
         "cancel_run", "retry_run"), "run_id", "/items/0/id",
    ),
    ("create_run", "202"): (
        ("get_run", "list_events", "get_log", "get_plan", "confirm_run", "discard_run",
         "cancel_run", "force_cancel_run", "retry_run", "hold_run"), "run_id", "/id",
    ),
    ("retry_run", "202"): (("get_run", "cancel_run"), "run_id", "/id"),
}  # fmt: skip
LOG_HEADERS = {
    "Log-Offset": "integer", "Log-End": "integer", "Run-Status": "string", "Log-Eof": "integer",
}  # fmt: skip


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """Add to the document what every operation answers besides its success."""
    reference = {"$ref": "#/components/schemas/Problem"}
    for methods in document["paths"].values():
        for method, operation in methods.items():
            name, responses = operation["operationId"], operation["responses"]
            for status, response in list(responses.items()):
                responses[str(status)] = responses.pop(status)
                _dress_success(name, str(status), response)
            wanted = ALWAYS if method == "get" else (*ALWAYS, 409)
            for status in wanted:
                responses[str(status)] = {
                    "description": str(TITLES[status]),
                    "content": {MEDIA_TYPE: {"schema": reference}},
                    "headers": _headers(status),
                }
    return document


def _headers(status: int) -> dict[str, Any]:
    found = {"X-Request-ID": _header("string")}
    if status == 429:
        found["Retry-After"] = _header("integer")
    return found


def _header(kind: str) -> dict[str, Any]:
    return {"schema": {"type": kind}, "required": True}


def _dress_success(name: str, status: str, response: dict[str, Any]) -> None:
    headers = _headers(int(status))
    if status in ("201", "202"):
        headers["Location"] = _header("string")
    if name.startswith("list_"):
        headers["Link"] = {"schema": {"type": "string"}, "description": "RFC 8288, as `next`."}
    if name == "get_inventory":
        response["content"] = {"application/yaml": {"schema": {"type": "string"}}}
    if name == "get_log":
        headers |= {header: _header(kind) for header, kind in LOG_HEADERS.items()}
        response["content"] = {"text/plain": {"schema": {"type": "string"}}}
    response["headers"] = headers
    if (name, status) in FOLLOWS:
        operations, parameter, pointer = FOLLOWS[name, status]
        response["links"] = {
            operation: {
                "operationId": operation,
                "parameters": {parameter: f"$response.body#{pointer}"},
            }
            for operation in operations
        }
