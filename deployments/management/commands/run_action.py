"""`manage.py run_action STACK ACTION`: the portal's services from cron or a shell."""

import json
import sys
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import InterfaceError, OperationalError, connection

from deployments.errors import ParamsRefused, UnknownStack
from deployments.models import Run
from deployments.runstatus import RunStatus
from deployments.services import confirm_run, queue_run
from deployments.services.queueing import find_action
from omlsaas.lib.refusals import Refusal
from tenants import actors, blueprints
from tenants.actors import Actor
from tenants.errors import InputsRefused
from tenants.models import Stack, User
from tenants.values import value_from_text

S = RunStatus
LOOK_S = 0.2
KEY_LENGTH = Run._meta.get_field("request_key").max_length
NO_DATABASE = (OperationalError, InterfaceError)
QUEUED, ERRORED, REFUSED, WAITS, LOST, AT_WORK = 0, 1, 2, 3, 4, 5
CODES = {S.APPLIED: QUEUED, S.PLANNED_AND_FINISHED: QUEUED, S.PLANNED: WAITS, S.LOST: LOST}
NOT_RUNNING = "the portal is not running: make run, or set DATABASE_URL"


class Command(BaseCommand):
    """Queue one action over one stack, and wait for it where asked to."""

    help = (
        "Queue an action. Exit codes: 0 queued, or with --wait applied or no changes; 1 errored, "
        "canceled, discarded, or the portal is not reachable; 2 refused or wrong usage, nothing "
        "was queued; 3 waits for confirmation; 4 lost; 5 still at work after --timeout."
    )

    # A cron command starts fast; `manage.py check` and the servers do the checks.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Take what the services need, and how to tell about it."""
        parser.add_argument("stack", nargs="?", help="name or id of the stack")
        parser.add_argument("action", nargs="?", help="an action of its blueprint")
        parser.add_argument("--set", action="append", default=[], metavar="k=v", dest="inputs")
        parser.add_argument(
            "--param", action="append", default=[], metavar="k=v", dest="params",
            help="a parameter of the action, for this run alone",
        )  # fmt: skip
        parser.add_argument(
            "--confirm",
            action="store_true",
            help="apply the plan; without --wait as far as auto-apply goes",
        )
        parser.add_argument("--wait", action="store_true", help="wait for the end")
        parser.add_argument(
            "--timeout", type=float, default=0.0, help="seconds to wait; 0 no limit"
        )
        parser.add_argument("--reason", default="", help="kept in the audit trail")
        parser.add_argument(
            "--actor", default="system:cron", help="a user name, system:cron or system:shell"
        )
        parser.add_argument("--request-key", default="", help="a repeat gives the first run again")
        parser.add_argument("--json", action="store_true")
        parser.add_argument("--list", action="store_true", help="name the stacks and their actions")

    def handle(self, *args: Any, **options: Any) -> None:
        """Queue, tell, wait; exit with the code that `help` tells."""
        self.as_json = options["json"]
        try:
            actor = actors.from_shell(options["actor"])
            if options["list"]:
                self.list_stacks(actor)
                return
            if not options["stack"] or not options["action"]:
                self.leave(REFUSED, {"error": "usage", "text": "name a stack and an action"})
            if len(options["request_key"]) > KEY_LENGTH:
                text = f"a request key has {KEY_LENGTH} characters at most"
                self.leave(REFUSED, {"error": "usage", "text": text})
            run = self.queue(actor, options)
        except Refusal as refusal:
            self.leave(REFUSED, {**refusal.params, "error": refusal.code, "text": str(refusal)})
        except User.DoesNotExist:
            text = f"there is no active user “{options['actor']}”"
            self.leave(REFUSED, {"error": "UnknownActor", "text": text})
        except NO_DATABASE:
            self.leave(ERRORED, {"error": "PortalNotRunning", "text": NOT_RUNNING})
        if options["wait"]:
            self.wait(actor, run, options)
        else:
            self.tell(run)

    def queue(self, actor: Actor, options: dict[str, Any]) -> Run:
        """Queue the run; values are read by the types of the blueprint's variables."""
        stack = find_stack(actor, options["stack"])
        find_action(stack, options["action"])
        plain, secret = self.values(stack, options["inputs"])
        return queue_run(
            actor,
            stack,
            options["action"],
            reason=options["reason"],
            request_key=options["request_key"] or None,
            # The command names the stack in full on its own line.
            typed_name=None,
            inputs=plain,
            new_secrets=secret,
            params=pairs_of(options["params"]),
            is_scheduled=actor.kind == "system",
            auto_apply=True if options["confirm"] else None,
        )

    def values(self, stack: Stack, pairs: list[str]) -> tuple[dict[str, Any], dict[str, str]]:
        """Return (plain values, secrets) of `--set`; `k=@-` reads a secret from standard input."""
        variables = blueprints.load(stack.blueprint).kinds[stack.kind].variables
        plain: dict[str, Any] = {}
        secret: dict[str, str] = {}
        for pair in pairs:
            name, sign, text = pair.partition("=")
            if not sign or name not in variables:
                raise InputsRefused({name: "not a variable of the blueprint; write k=v"})
            if variables[name].sensitive:
                if text != "@-":
                    why = "a secret on a command line shows in `ps`: write k=@- and pipe it in"
                    raise InputsRefused({name: why})
                secret[name] = sys.stdin.readline().rstrip("\n")
            else:
                plain[name] = value_from_text(variables[name], text)
        return plain, secret

    def wait(self, actor: Actor, run: Run, options: dict[str, Any]) -> None:
        """Wait until the run ends, or waits for a person, or the time is up."""
        until = time.monotonic() + options["timeout"] if options["timeout"] else None
        while True:
            connection.close()
            try:
                run = Run.objects.with_stack().get(pk=run.pk)
                if run.status == S.PLANNED and options["confirm"]:
                    run = confirm_run(
                        actor, run, comment=options["reason"], has_read=True, typed_name=None
                    )
            except Refusal as refusal:
                self.stderr.write(str(refusal))
                run.refresh_from_db()
            except NO_DATABASE:
                # An outage in the middle is not the run's end: look again.
                time.sleep(1)
                if until is not None and time.monotonic() > until:
                    self.leave(ERRORED, {"error": "PortalNotRunning", "text": NOT_RUNNING})
                continue
            if run.is_ended or run.status == S.PLANNED:
                self.leave(CODES.get(S(run.status), ERRORED), self.row(run))
            if until is not None and time.monotonic() > until:
                self.leave(AT_WORK, self.row(run))
            time.sleep(LOOK_S)

    def tell(self, run: Run) -> None:
        """Print where the run stands."""
        self.leave(QUEUED, self.row(run))

    def leave(self, code: int, row: dict[str, Any]) -> None:
        """Print one line, JSON where asked for, and exit with the code."""
        if self.as_json:
            self.stdout.write(json.dumps({**row, "exit_code": code}, default=str))
        elif "text" in row:
            self.stderr.write(row["text"])
        else:
            why = row["waiting"] or row["error_text"] or row["notice"]
            self.stdout.write(f"{row['name']} {row['status']}{': ' + why if why else ''}")
        raise SystemExit(code)

    def row(self, run: Run) -> dict[str, Any]:
        """Return the run for a program."""
        return {
            "run_id": run.public_id,
            "name": str(run),
            "stack": run.stack.name,
            "action": run.action,
            "status": run.status,
            "waiting": run.waiting_text,
            "error": (run.error or {}).get("code", ""),
            "error_text": run.error_text,
            "error_kind": run.error_kind,
            "notice": run.notice_text,
            "create": run.to_create,
            "change": run.to_update,
            "replace": run.to_replace,
            "destroy": run.to_destroy,
        }

    def list_stacks(self, actor: Actor) -> None:
        """Print each stack with its condition."""
        stacks = Stack.objects.all() if actor.user is None else Stack.objects.visible_to(actor.user)
        for stack in stacks.order_by("kind", "name"):
            self.stdout.write(f"{stack.name}\t{stack.kind}\t{stack.condition}\t{stack.public_id}")


def pairs_of(texts: list[str]) -> dict[str, str]:
    """Return `k=v` texts as a mapping. Raises ParamsRefused for one that is none."""
    found = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign:
            raise ParamsRefused({name: "write it as k=v"})
        found[name] = value
    return found


def find_stack(actor: Actor, name: str) -> Stack:
    """Return the living stack of this name or id that the actor may see. Raises UnknownStack."""
    stacks = Stack.objects.select_related(
        "tenant__release", "tenant__region", "shared_environment", "region__account"
    )
    if actor.user is not None:
        stacks = stacks.visible_to(actor.user)
    living = stacks.filter(tenant__archived_at=None, shared_environment__archived_at=None)
    found = list(living.filter(name=name)[:2]) or list(stacks.filter(public_id=name))
    if len(found) != 1:
        raise UnknownStack(name=name)
    return found[0]
