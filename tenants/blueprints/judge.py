"""Asks Terraform itself whether inputs fulfil the rules of their `variable` blocks.

A scratch plan of the variable blocks alone, in a private folder: no provider, no backend, no
`init`, 35 to 50 ms. Secrets are never part of it: each is stood in for by a value of its type.
"""

import json
import re
import tempfile
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from omlsaas.lib import terraform_cli
from omlsaas.lib.refusals import Refusal
from tenants.blueprints.hcl import blank
from tenants.blueprints.model import Kind, Problem, SecretRule, TypeSpec, Variable
from tenants.blueprints.published import is_published

SECRET_MIN_LENGTH = 8
_TFVARS = "terraform.tfvars.json"
_PLAN = ("plan", "-json", "-input=false", "-refresh=false", "-lock=false", "-no-color")
_CHECKED_BY = re.compile(r"\s*This was checked by the validation rule at \S+\s*\Z")
_UNSUITABLE = re.compile(
    r"The given value is not suitable for var\.\S+ declared at \S+: (.*)", re.S
)
_NAMED = re.compile(r"\bvar\.([A-Za-z_][A-Za-z0-9_-]*)|variable \"([^\"]+)\"")


class RulesNotJudged(Refusal):
    """Terraform could not be asked: it is missing, too old, or hangs. Values may be a draft."""

    message = gettext_lazy("The values could not be checked against the blueprint: %(why)s")


def missing(kind: Kind, values: Mapping[str, Any], secrets_set: Collection[str]) -> list[str]:
    """Return the required inputs that have no value yet, in the order of the form."""
    return [
        variable.name
        for variable in kind.inputs
        if variable.required
        and (
            variable.name not in secrets_set
            if variable.sensitive
            else values.get(variable.name) is None
        )
    ]


def judge_secret(kind: Kind, name: str, value: str) -> dict[str, str]:
    """Return why a secret is refused, by its name; empty when it is accepted.

    The sentence never holds the value.
    """
    rule = kind.secret_rules.get(name, SecretRule())
    wanted = max(rule.min_length, SECRET_MIN_LENGTH)
    if is_published(value, kind.published):
        text = _("Everybody knows it: it is a published default or a common word. Take another.")
    elif len(value) < wanted:
        text = rule.message or _("It needs at least %(length)s characters.") % {"length": wanted}
    elif any(char in value for char in rule.forbid):
        text = rule.message or _("It holds a character that is not allowed here.")
    else:
        return {}
    return {name: text}


def judge(
    kind: Kind,
    values: Mapping[str, Any],
    secrets_set: Collection[str],
    terraform_bin: str,
    *,
    complete: bool = False,
) -> list[Problem]:
    """Return what Terraform refuses of these values, each message at its variable.

    `values` are the plain inputs; `secrets_set` names the secrets that have a value. Required
    inputs without a value are a problem only when `complete`. Rules that name a secret, a value
    that the portal provides, or an object outside the variable blocks are judged at plan time.
    Raises RulesNotJudged.
    """
    problems = [_unfit(kind, name) for name in values if not _is_plain_input(kind, name)]
    if complete:
        for name in missing(kind, values, secrets_set):
            problems.append(_problem(kind.variables[name], _("It needs a value.")))
    plain = {
        name: value
        for name, value in values.items()
        if value is not None and (_is_plain_input(kind, name) or name in kind.provided)
    }
    if not kind.judge_files:
        return problems
    path = terraform_cli.find_terraform(terraform_bin)
    if path is None:
        why = _(
            "Terraform was not found (%(binary)s). Install it from "
            "https://developer.hashicorp.com/terraform/install, or set TERRAFORM_BIN."
        )
        raise RulesNotJudged(why=why % {"binary": terraform_bin})
    return problems + _ask(kind, plain, path)


def _is_plain_input(kind: Kind, name: str) -> bool:
    variable = kind.variables.get(name)
    return variable is not None and not variable.sensitive and name not in kind.provided


def _unfit(kind: Kind, name: str) -> Problem:
    variable = kind.variables.get(name)
    if variable is None:
        return Problem(name, _("The blueprint has no such variable."))
    if name in kind.provided:
        return _problem(variable, _("The portal sets this itself."))
    return _problem(variable, _("This is a secret and is not kept among the plain values."))


def _problem(variable: Variable, message: str) -> Problem:
    return Problem(variable.name, message, variable.file, variable.line)


def _ask(kind: Kind, plain: dict[str, Any], path: str) -> list[Problem]:
    stand_ins = {
        variable.name: stand_in(variable.spec)
        for variable in kind.variables.values()
        if variable.name not in plain
        and (variable.required or variable.sensitive or variable.name in kind.provided)
    }
    # mkdtemp makes it 0700.
    with tempfile.TemporaryDirectory(prefix="omlsaas-judge-") as folder:
        cwd = Path(folder)
        for name, text in kind.judge_files.items():
            (cwd / name).write_text(_judged_text(kind, name, text, set(stand_ins)), "utf-8")
        lines = [f"{json.dumps(k)}: {json.dumps(v)}" for k, v in (plain | stand_ins).items()]
        # A diagnostic quotes the whole line, and its line number says whose value it was.
        (cwd / _TFVARS).write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")
        try:
            answer = terraform_cli.ask(path, _PLAN, cwd=cwd)
        except terraform_cli.TerraformCliFailed as error:
            raise RulesNotJudged(why=str(error)) from None
    order = [*plain, *stand_ins]
    diagnostics = list(_errors(answer.stdout))
    if answer.code and not diagnostics:
        said = (answer.stderr or answer.stdout).strip().split("\n")[0][:200]
        raise RulesNotJudged(why=said or f"exit code {answer.code}")
    found = [_placed(kind, diagnostic, order) for diagnostic in diagnostics]
    return [problem for problem in found if problem.variable not in stand_ins]


def _judged_text(kind: Kind, name: str, text: str, stood_in: set[str]) -> str:
    """Return the variable blocks without the rules that cannot be judged by themselves."""
    spans = [
        (rule.start, rule.end)
        for variable in kind.variables.values()
        if variable.file == f"{kind.root_name}/{name}"
        for rule in variable.rules
        if rule.is_foreign or rule.names & stood_in
    ]
    return blank(text, spans) if spans else text


def stand_in(spec: TypeSpec) -> Any:
    """Return some value of a type."""
    if spec.kind == "object":
        return {a.name: stand_in(a.type) for a in spec.attributes if not a.is_optional}
    if spec.kind == "tuple":
        return [stand_in(item) for item in spec.items]
    simple = {"number": 1, "bool": True, "list": [], "set": [], "map": {}}
    return simple.get(spec.kind, "stand-in")


def _errors(output: str) -> Iterable[dict[str, Any]]:
    for line in output.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        diagnostic = entry.get("diagnostic") if isinstance(entry, dict) else None
        if isinstance(diagnostic, dict) and diagnostic.get("severity") == "error":
            yield diagnostic


def _placed(kind: Kind, diagnostic: dict[str, Any], order: list[str]) -> Problem:
    """Return the diagnostic as a problem of the variable whose value or block it points at."""
    where = diagnostic.get("range") or {}
    file, line = where.get("filename", ""), (where.get("start") or {}).get("line", 0)
    message = _words(diagnostic)
    if file == _TFVARS and 2 <= line < len(order) + 2:
        return _problem_of(kind, order[line - 2], message)
    for variable in kind.variables.values():
        same_file = variable.file == f"{kind.root_name}/{file}"
        if same_file and variable.line <= line <= variable.end_line:
            return _problem(variable, message)
    named = _NAMED.search(str(diagnostic.get("detail", "")))
    name = (named[1] or named[2]) if named else ""
    return _problem_of(kind, name if name in kind.variables else "", message)


def _problem_of(kind: Kind, name: str, message: str) -> Problem:
    variable = kind.variables.get(name)
    return _problem(variable, message) if variable else Problem(name, message)


def _words(diagnostic: dict[str, Any]) -> str:
    detail = _CHECKED_BY.sub("", str(diagnostic.get("detail", ""))).strip()
    unsuitable = _UNSUITABLE.fullmatch(detail)
    if unsuitable:
        detail = unsuitable[1].strip()
        detail = detail[:1].upper() + detail[1:]
    return detail or str(diagnostic.get("summary", ""))
