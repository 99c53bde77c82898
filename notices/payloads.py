"""What is sent: facts of an event, as JSON of version 1, as a line for a chat, as an e-mail."""

from typing import Any
from urllib.parse import urljoin

from django.conf import settings

from deployments.links import link, owner_page
from deployments.models import Happening, Run
from notices.events import tell, words
from tenants.models import Stack

VERSION = 1
ESCAPED_BY_SLACK = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"))


def facts_of(event: Happening, stack: Stack, run: Run | None) -> dict[str, Any]:
    """Return what a notice keeps of an event: names and ids as they are now, no secrets.

    Keys: `stack`, `stack_id`, `region`, `tenant` or `environment`, `by`, `by_id`, `detail` (code
    with parameters) and of a run `run`, `run_id`, `action`, `status`, `from`; of a step `step`,
    `step_kind`, `phase`.
    """
    facts = {
        **event.facts,
        "stack": stack.name,
        "stack_id": stack.public_id,
        "region": stack.region.slug,
    }
    if stack.tenant_id is not None:
        facts |= {"tenant": stack.tenant.name, "tenant_id": stack.tenant.public_id}
    else:
        environment = stack.shared_environment
        facts |= {"environment": environment.name, "environment_id": environment.public_id}
    if run is not None:
        # The status of this event: the run may have moved on since.
        status = event.kind.partition(".")[2] if event.kind.startswith("run.") else run.status
        facts |= {"run": str(run), "run_id": run.public_id, "action": run.action_label}
        facts |= {"status": status, "release": run.release_name}
    return facts


def address_of(facts: dict[str, Any]) -> str:
    """Return the page of what an event is about, as a path of the portal."""
    if facts.get("run_id"):
        return link("run", facts["run_id"])
    if facts.get("tenant_id") or facts.get("environment_id"):
        return owner_page(facts.get("tenant_id"), facts.get("environment_id"))
    return "/"


def whole(address: str) -> str:
    """Return a path of the portal as an address that works outside of it."""
    return urljoin(settings.PORTAL_URL, address)


def body(event: str, facts: dict[str, Any], message_id: str, occurred_at: str) -> dict[str, Any]:
    """Return the JSON of version 1 that webhooks get (docs/notices.md tells its fields)."""
    return {
        "version": VERSION,
        "id": message_id,
        "event": event,
        "occurred_at": occurred_at,
        "text": tell(event, facts),
        "url": whole(address_of(facts)),
        "data": facts,
    }


def slack(payload: dict[str, Any]) -> dict[str, Any]:
    """Return the message for an incoming webhook of Slack or Mattermost.

    https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
    """
    text = payload["text"]
    for plain, escaped in ESCAPED_BY_SLACK:
        text = text.replace(plain, escaped)
    return {"text": f"{text} <{payload['url']}>"}


def teams(payload: dict[str, Any]) -> dict[str, Any]:
    """Return an adaptive card for a workflow of Microsoft Teams.

    https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using
    """
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [
            {
                "type": "TextBlock",
                "weight": "bolder",
                "wrap": True,
                "text": words(payload["event"]),
            },
            {"type": "TextBlock", "wrap": True, "text": _plain_for_cards(payload["text"])},
        ],
        "actions": [{"type": "Action.OpenUrl", "title": "omlsaas", "url": payload["url"]}],
    }
    content_type = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": content_type, "content": card}]}


def _plain_for_cards(text: str) -> str:
    """Take the meaning from Markdown's signs: a tenant's title is no link."""
    for sign in "\\[]()*_~`":
        text = text.replace(sign, f"\\{sign}")
    return text


def mail(payload: dict[str, Any]) -> tuple[str, str]:
    """Return (subject, text) of the e-mail; the subject is one line."""
    subject = " ".join(f"[omlsaas] {payload['text']}".split())
    return subject[:150], f"{payload['text']}\n\n{payload['url']}\n"
