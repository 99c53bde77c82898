"""`omlsaas`: log in, list things, run an action, watch and confirm runs."""

import argparse
import getpass
import json
import sys
import uuid
from collections.abc import Sequence
from typing import Any

from omlsaas.cli import config
from omlsaas.cli.client import Portal
from omlsaas.cli.config import Access
from omlsaas.cli.errors import Trouble
from omlsaas.cli.watching import tell, watch

# What can be listed, and the columns of its table.
LISTS = {
    "tenants": ("name", "stack.condition", "release", "environment", "region", "title"),
    "environments": ("name", "stack.condition", "region", "title"),
    "regions": ("name", "account", "code", "domain_name", "max_runs"),
    "releases": ("blueprint", "name", "created_at"),
    "stacks": ("name", "kind", "condition", "resource_count", "region", "id"),
    "runs": ("id", "stack.name", "number", "action", "status", "actor.name", "created_at"),
    "approvals": ("run", "stack.name", "number", "status", "asked_by", "asked_at"),
    "audit": ("at", "actor.name", "action", "target.name", "reason"),
}
# What one stack has.
OF_STACK = {
    "hosts": ("name", "role", "address", "port", "user", "fingerprint"),
    "backups": ("component", "name", "size", "taken_at"),
}


def parser() -> argparse.ArgumentParser:
    """Return what the client understands. A token is never an argument: others would see it."""
    top = argparse.ArgumentParser(prog="omlsaas", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True)
    login = commands.add_parser("login", help="keep the portal's address and a token")
    login.add_argument("url", nargs="?", help="such as https://portal.example.com")
    listing = commands.add_parser("list", help="show a list")
    listing.add_argument("what", choices=sorted([*LISTS, *OF_STACK]))
    listing.add_argument("--stack", default="", help="whose hosts or backups: its name or id")
    listing.add_argument("--filter", action="append", default=[], metavar="NAME=VALUE",
                         help="as in the address of the list's page")  # fmt: skip
    listing.add_argument("--limit", type=int, default=100)
    listing.add_argument("--json", action="store_true")
    run = commands.add_parser("run", help="queue an action over a stack, and watch it")
    run.add_argument("action")
    run.add_argument("stack", help="its name or its id")
    run.add_argument("--input", action="append", default=[], metavar="NAME=VALUE",
                     help="a new value of an input, as JSON or as text")  # fmt: skip
    run.add_argument("--param", action="append", default=[], metavar="NAME=VALUE",
                     help="what the action asks for this run alone")  # fmt: skip
    run.add_argument("--reason", default="")
    run.add_argument("--name", default="", help="the stack's name, where the action asks for it")
    run.add_argument("--key", default="", help="the same key starts the same run only once")
    run.add_argument("--detach", action="store_true", help="print the run's id, do not watch")
    watching = commands.add_parser("watch", help="show a run's log until its end")
    watching.add_argument("run")
    confirm = commands.add_parser("confirm", help="say yes to a run's plan")
    confirm.add_argument("run")
    confirm.add_argument("--reason", required=True)
    confirm.add_argument("--read", action="store_true",
                         help="what is replaced and destroyed was read")  # fmt: skip
    confirm.add_argument("--name", default="", help="the stack's name, where it is asked for")
    confirm.add_argument("--detach", action="store_true", help="do not watch")
    return top


def login(asked: argparse.Namespace) -> int:
    """Ask for address and token, try them, and keep them."""
    url = (asked.url or input("Address of the portal: ")).strip().rstrip("/")
    token = getpass.getpass("Token (from your profile, API tokens): ").strip()
    access = Access(url, token)
    with Portal(access) as portal:
        me = portal.get("/me").json()
    print(f"Logged in as {me['name']} ({me['role'] or 'no role'}). Kept in {config.save(access)}.")
    return 0


def pairs(texts: Sequence[str]) -> dict[str, str]:
    """Return NAME=VALUE texts as a mapping. Raises Trouble."""
    found = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise Trouble(f"“{text}” is not NAME=VALUE.")
        found[name] = value
    return found


def value_of(text: str) -> Any:
    """Return a value that is JSON as what it is, anything else as text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def show(asked: argparse.Namespace, portal: Portal) -> int:
    """Print a list as a table, or as JSON."""
    filters = pairs(asked.filter)
    path = f"/{asked.what}"
    if asked.what in OF_STACK:
        if not asked.stack:
            raise Trouble(f"Whose? omlsaas list {asked.what} --stack NAME")
        path = f"/stacks/{stack_id(portal, asked.stack)}{path}"
    found = list(portal.items(path, max(asked.limit, 1), **filters))
    if asked.json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
        return 0
    columns = (LISTS | OF_STACK)[asked.what]
    rows = [[plain(deep(thing, column)) for column in columns] for thing in found]
    heads = [column.replace("stack.condition", "condition").split(".")[0] for column in columns]
    table = [heads, *rows]
    widths = [max(len(row[at]) for row in table) for at in range(len(columns))]
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).strip())
    return 0


def deep(thing: Any, path: str) -> Any:
    """Return what stands at a dotted path."""
    for name in path.split("."):
        thing = thing.get(name) if isinstance(thing, dict) else None
    return thing


def plain(value: Any) -> str:
    """Return a cell's text without what a terminal would obey."""
    text = "" if value is None else str(value)
    return "".join(c if c.isprintable() else "�" for c in text)[:60]


def start(asked: argparse.Namespace, portal: Portal) -> int:
    """Queue a run and follow it."""
    body = {
        "stack": stack_id(portal, asked.stack),
        "action": asked.action,
        "reason": asked.reason,
        "inputs": {name: value_of(text) for name, text in pairs(asked.input).items()},
        "params": pairs(asked.param),
        "typed_name": asked.name,
    }
    run = portal.post("/runs", body, **{"Idempotency-Key": asked.key or str(uuid.uuid4())})
    if asked.detach:
        print(run["id"])
        return 0
    print(f"run {run['id']}", file=sys.stderr)
    return watch(portal, run["id"])


def stack_id(portal: Portal, name: str) -> str:
    """Return the id of a stack by its name. Raises Trouble."""
    if name.startswith("stk_"):
        return name
    found = list(portal.items("/stacks", 2, name=name))
    if not found:
        raise Trouble(f"There is no stack “{name}” that you may see. `omlsaas list stacks`.")
    if len(found) > 1:
        raise Trouble(f"There are several stacks “{name}”: name one by its id.")
    return found[0]["id"]


def follow(asked: argparse.Namespace, portal: Portal) -> int:
    """Show a run's log until its end."""
    return watch(portal, asked.run)


def confirm(asked: argparse.Namespace, portal: Portal) -> int:
    """Say yes to the plan as it stands now, and follow the run."""
    run = portal.get(f"/runs/{asked.run}").json()
    if not run["plan_digest"]:
        tell(run)
        raise Trouble("There is no plan to confirm.")
    body = {"comment": asked.reason, "plan_digest": run["plan_digest"],
            "has_read": asked.read, "typed_name": asked.name}  # fmt: skip
    portal.post(f"/runs/{asked.run}/confirm", body)
    return 0 if asked.detach else watch(portal, asked.run)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what was asked; return the exit code: 2 for what was asked wrongly or is not allowed."""
    asked = parser().parse_args(arguments)
    doing = {"list": show, "run": start, "watch": follow, "confirm": confirm}
    try:
        if asked.command == "login":
            return login(asked)
        with Portal(config.load()) as portal:
            return doing[asked.command](asked, portal)
    except Trouble as trouble:
        print(trouble, file=sys.stderr)
        return trouble.code
    except (KeyboardInterrupt, EOFError):
        # The run goes on: only watching ends.
        return 130
    except BrokenPipeError:
        return 141


if __name__ == "__main__":
    sys.exit(main())
