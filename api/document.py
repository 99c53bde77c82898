"""What the OpenAPI document says beyond types: problems of each operation, headers, links."""

from typing import Any

from api.follows import FOLLOWS
from api.problems import MEDIA_TYPE, TITLES

ALWAYS = (400, 401, 403, 404, 422, 429)
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
        response["content"] = {"application/yaml": {"schema": {"type": "object"}}}
    if name == "get_log":
        headers |= {header: _header(kind) for header, kind in LOG_HEADERS.items()}
        response["content"] = {"text/plain": {"schema": {"type": "string"}}}
    response["headers"] = headers
    if (name, status) in FOLLOWS:
        response["links"] = {
            operation: {
                "operationId": operation,
                "parameters": {parameter: f"$response.body#{pointer}"},
            }
            for operations, parameter, pointer in FOLLOWS[name, status]
            for operation in operations
        }
