"""Turn an engine's machine output into the log that people read, and into events.

Terraform's `-json` messages: https://developer.hashicorp.com/terraform/internals/machine-readable-ui
Ansible's come from our own callback (callbacks/json_lines.py) in the same shape.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import orjson

from .tail import CUT_MARK, clean, without_nul

JSON_START = b'{"@level"'
_CUT_MESSAGE = re.compile(rb'\{"@level":"\w+","@message":"((?:[^"\\]|\\.)*)')
_CUT_ESCAPE = re.compile(rb"\\(u[0-9a-fA-F]{0,3})?$")
_CUT_MARK = CUT_MARK.encode()
# Certificates alone: whatever else stands in that file, a key above all, goes no further.
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")

RED, YELLOW, GREEN, DIM, BOLD, PLAIN = "\x1b[31m", "\x1b[33m", "\x1b[32m", "\x1b[2m", "\x1b[1m", ""
RESET = "\x1b[0m"

_BY_TYPE = {
    "version": DIM,
    "refresh_start": DIM,
    "refresh_complete": DIM,
    "apply_progress": DIM,
    "ephemeral_op_progress": DIM,
    "provision_start": DIM,
    "state_lock_acquire": DIM,
    "state_lock_release": DIM,
    "apply_complete": GREEN,
    "provision_complete": GREEN,
    "apply_errored": RED,
    "provision_errored": RED,
    "ephemeral_op_errored": RED,
    "change_summary": BOLD,
}
# Of events: what may hold any text.
_TEXTS = {
    "diagnostic": ("summary", "detail", "address", "place"),
    "ansible_play": ("play",),
    "ansible_task": ("task", "place"),
    "ansible_told": ("about", "text"),
    "ansible_backup": ("key", "taken_at"),
    "ansible_certificate": ("pem",),
}
_BY_LEVEL = {"error": RED, "warn": YELLOW}
_BY_ACTION = {"delete": RED, "replace": RED, "create": GREEN, "update": YELLOW}


class HumanLog:
    """Feed it blocks of whole lines; it gives the human text and the events of each.

    `redact` (Redactor.apply) works on the raw block, where values are escaped, and on the text
    made of it, where they are not: what comes out, events too, is free of known secrets.
    """

    def __init__(self, redact: Callable[[bytes], bytes] | None = None) -> None:
        self._redact = redact or (lambda block: block)

    def feed(self, block: bytes) -> tuple[bytes, list[dict]]:
        """Return (human lines, events); a block without a JSON message passes as it is."""
        block = self._redact(block)
        if JSON_START not in block:
            return block, []
        lines: list[str] = []
        events: list[dict] = []
        for line in block.split(b"\n"):
            if not line.startswith(JSON_START):
                lines.append(line.decode(errors="replace"))
                continue
            text, event = _read_line(line)
            # Of a playbook's events only some are lines for people.
            if text or event is None or not event["type"].startswith("ansible_"):
                lines.append(text)
            if event is not None:
                events.append(self._cleared(event))
        human = "\n".join(lines).encode(errors="replace")
        return self._redact(clean(human)), events

    def _cleared(self, event: dict) -> dict:
        """Redact the texts that people wrote, now that one level of escaping is gone."""
        for name in _TEXTS.get(event["type"], ()):
            event[name] = self._redact(_text(event.get(name)).encode(errors="replace")).decode()
        return event


def _read_line(line: bytes) -> tuple[str, dict | None]:
    """Return the human text of one JSON message, and its event when the type has one.

    A message of another shape than Terraform's (a provider's own log has the same beginning)
    is a line like any other.
    """
    try:
        return _read_message(orjson.loads(line))
    except orjson.JSONDecodeError:
        return _salvage(line), None
    except (AttributeError, TypeError, ValueError):
        return line.decode(errors="replace"), None


def _read_message(message: dict) -> tuple[str, dict | None]:
    kind = message.get("type")
    text = _text(message.get("@message"))
    if kind == "provision_progress":
        return _provisioner_text(message, text), None
    if kind == "diagnostic":
        return _diagnostic(message, text)
    colour = _BY_TYPE.get(kind, "") or _BY_LEVEL.get(message.get("@level"), "")
    maker = _EVENTS.get(kind)
    if maker is None:
        return paint(text, colour), None
    event = maker(message)
    event["type"] = kind
    event["at"] = _text(message.get("@timestamp"))
    if kind in ("planned_change", "resource_drift"):
        colour = _BY_ACTION.get(event["action"], PLAIN)
    return paint(text, colour), event


def _text(value: object) -> str:
    """Return a text that may be missing; TypeError for anything else.

    JSON may hide a NUL that PostgreSQL does not take: a diagnostic quotes a program's output.
    """
    if isinstance(value, str):
        return without_nul(value)
    if value is None:
        return ""
    raise TypeError(f"not a text: {value!r}")


def paint(text: str, colour: str) -> str:
    """Colour each line for itself, as a reader may begin at any of them."""
    if not colour:
        return text
    if "\n" in text:
        return "\n".join(f"{colour}{line}{RESET}" if line else "" for line in text.split("\n"))
    return f"{colour}{text}{RESET}"


def _salvage(line: bytes) -> str:
    """Show the message of a JSON line that was cut, or else the line as it is."""
    found = _CUT_MESSAGE.match(line)
    if _CUT_MARK not in line or found is None:
        return line.decode(errors="replace")
    try:
        escaped = _CUT_ESCAPE.sub(b"", found[1].partition(_CUT_MARK)[0])
        text = orjson.loads(b'"' + escaped + b'"')
    except orjson.JSONDecodeError:
        return line.decode(errors="replace")
    return text + CUT_MARK + line.rpartition(_CUT_MARK)[2].decode(errors="replace")


def _provisioner_text(message: dict, text: str) -> str:
    hook = message.get("hook") or {}
    output = hook.get("output")
    if output is None:
        return text
    address = (hook.get("resource") or {}).get("addr", "")
    return f"{DIM}{address} ({hook.get('provisioner', '')}):{RESET} {output}"


def _diagnostic(message: dict, text: str) -> tuple[str, dict]:
    """Return summary, place and detail as lines, and the same as an event.

    The source line that Terraform quotes is left out: it may be one of a file with values.
    """
    found = message.get("diagnostic") or {}
    severity = _text(found.get("severity")) or _text(message.get("@level"))
    summary = _text(found.get("summary")) or text
    detail = _text(found.get("detail")).rstrip()
    address, place = _text(found.get("address")), _place(found)
    is_error = severity == "error"
    colour = RED if is_error else YELLOW
    lines = [f"{colour}{BOLD}{'Error' if is_error else 'Warning'}: {summary}{RESET}"]
    if where := ", ".join(part for part in (place, address) if part):
        lines.append(f"  on {where}")
    if detail:
        lines.append(paint("\n".join(f"  {line}" for line in detail.split("\n")), colour))
    event = {
        "type": "diagnostic",
        "at": _text(message.get("@timestamp")),
        "severity": severity,
        "summary": summary,
        "detail": detail,
        "address": address,
        "place": place,
    }
    return "\n".join(lines), event


def _place(found: dict) -> str:
    """Return `main.tf:12, in resource "x" "y"` as far as it is known."""
    span = found.get("range") or {}
    place = _text(span.get("filename"))
    if place and (line := (span.get("start") or {}).get("line")):
        place = f"{place}:{line}"
    context = _text((found.get("snippet") or {}).get("context"))
    return f"{place}, in {context}" if place and context else place


# -- events: what the projection needs, by type of message -----------------------------------


def _hook(message: dict) -> dict:
    hook = message.get("hook") or {}
    return {
        "address": _text((hook.get("resource") or {}).get("addr")),
        "action": _text(hook.get("action")),
        "elapsed": hook.get("elapsed_seconds"),
    }


def _change(message: dict) -> dict:
    change = message.get("change") or {}
    return {
        "address": _text((change.get("resource") or {}).get("addr")),
        "action": _text(change.get("action")),
        "reason": _text(change.get("reason")),
    }


def _summary(message: dict) -> dict:
    changes = message.get("changes") or {}
    counts = {name: int(changes.get(name) or 0) for name in ("add", "change", "remove", "import")}
    return {"operation": _text(changes.get("operation")), "counts": counts}


def _outputs(message: dict) -> dict:
    return {"names": sorted((message.get("outputs") or {}).keys())}


def _version(message: dict) -> dict:
    return {"terraform": _text(message.get("terraform"))}


def _play(message: dict) -> dict:
    return {"play": _text(message.get("play"))}


def _task(message: dict) -> dict:
    texts = {name: _text(message.get(name)) for name in ("task", "place")}
    return {"number": int(message.get("number") or 0), **texts}


def _result(message: dict) -> dict:
    texts = {name: _text(message.get(name)) for name in ("host", "status", "began")}
    return {"number": int(message.get("number") or 0), **texts}


def _nothing(message: dict) -> dict:
    return {}


def _told(message: dict) -> dict:
    texts = {name: _text(message.get(name)) for name in ("host", "about", "text")}
    return {**texts, "is_loud": message.get("is_loud") is True}


def _backup(message: dict) -> dict:
    texts = {name: _text(message.get(name)) for name in ("key", "taken_at")}
    return {**texts, "size": int(message.get("size") or 0)}


def _certificate(message: dict) -> dict:
    found = _CERTIFICATE.findall(_text(message.get("pem")))
    return {"host": _text(message.get("host")), "pem": "".join(f"{one}\n" for one in found)}


_EVENTS: dict[str, Callable[[dict], dict]] = {
    "version": _version,
    "planned_change": _change,
    "resource_drift": _change,
    "change_summary": _summary,
    "outputs": _outputs,
    "ansible_play": _play,
    "ansible_task": _task,
    "ansible_result": _result,
    "ansible_stats": _nothing,
    "ansible_told": _told,
    "ansible_backup": _backup,
    "ansible_certificate": _certificate,
    **dict.fromkeys(
        (
            "refresh_start",
            "refresh_complete",
            "apply_start",
            "apply_progress",
            "apply_complete",
            "apply_errored",
            "provision_start",
            "provision_complete",
            "provision_errored",
        ),
        _hook,
    ),
}
