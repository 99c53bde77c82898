"""Taking an `inventory.yml` over: its hosts, its variables as inputs, its secrets as secrets.

First seen, then done: `preview` tells what would come, `take_over` does exactly that.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from tenants import access, blueprints, envelopes, inventoryfile, services
from tenants import hosts as hosts_
from tenants import secrets as secrets_
from tenants.actors import Actor
from tenants.blueprints import Kind
from tenants.errors import InputsRefused
from tenants.models import Host, Stack
from tenants.values import value_from_text

# How the published inventories write that there is no value.
NOTHING = (None, "", "NULL")
TRUTH = {"on": "true", "off": "false"}


@dataclass(frozen=True)
class Taken:
    """A variable with its place here. A secret's value is never among them: both are empty."""

    old: str
    name: str
    value: Any = None
    before: Any = None


@dataclass(frozen=True)
class Left:
    """A variable, or a host, that does not come, and why."""

    old: str
    why: str


@dataclass
class Import:
    """All that an inventory would bring. `secrets` is the only place with secret values."""

    hosts: list[dict[str, Any]] = field(default_factory=list)
    inputs: list[Taken] = field(default_factory=list)
    secrets_taken: list[Taken] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    same: list[str] = field(default_factory=list)
    lacking: list[str] = field(default_factory=list)
    unjudged: str = ""
    secrets: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def values(self) -> dict[str, Any]:
        """Return the plain inputs that would change, by name."""
        return {taken.name: taken.value for taken in self.inputs}

    @property
    def brings_something(self) -> bool:
        """Tell whether anything would be other than it is."""
        return bool(self.hosts or self.inputs or self.secrets)

    def pack(self, bound_to: str) -> str:
        """Return it as a text that only `unpack` reads, with the same `bound_to`."""
        return envelopes.seal(asdict(self), f"inventory:{bound_to}")

    def to_json(self) -> dict[str, Any]:
        """Return it for programs, without values of secrets."""
        return {
            "hosts": self.hosts,
            "inputs": [asdict(taken) for taken in self.inputs],
            "secrets": [taken.name for taken in self.secrets_taken],
            "left": [asdict(one) for one in self.left],
            "same": self.same,
            "still_needed": self.lacking,
            "not_judged": self.unjudged,
        }


def unpack(packed: str, bound_to: str) -> Import:
    """Return what `pack` took. Raises EnvelopeGone."""
    parts = envelopes.unseal(packed, f"inventory:{bound_to}")
    for name, kind in {"inputs": Taken, "secrets_taken": Taken, "left": Left}.items():
        parts[name] = [kind(**one) for one in parts[name]]
    return Import(**parts)


def preview(stack: Stack, text: str) -> Import:
    """Return what an inventory would bring to a stack; nothing is kept, nobody is asked.

    Raises InventoryUnreadable, and HostRefused for a stack that has no hosts.
    """
    kind = services.blueprint_kind(stack.blueprint, stack.kind)
    rules = hosts_.rules_of(stack)
    file = inventoryfile.read(text, rules)
    found = Import()
    _take_hosts(found, stack, file.hosts)
    for name in file.differing:
        found.left.append(Left(name, _("It has several values. Give the one that counts.")))
    for name in file.unused:
        found.left.append(Left(name, _("The portal sets how a host is reached itself.")))
    for name, value in file.variables.items():
        _take_variable(found, stack, kind, name, value)
    _judge(found, stack, kind)
    return found


def take_over(actor: Actor, stack: Stack, found: Import) -> list[Host]:
    """Add the hosts and set inputs and secrets, all of it or nothing; return the new hosts.

    Raises what `add_host` and `save_inputs` do; where nobody could judge the values they are kept
    as a draft, as the preview said.
    """
    access.require(actor, "change", stack)
    with transaction.atomic():
        made = hosts_.add_hosts(actor, stack, found.hosts)
        if found.inputs or found.secrets:
            try:
                services.save_inputs(actor, stack, found.values, found.secrets)
            except blueprints.RulesNotJudged:
                # They are saved, and a plan will judge them.
                if not found.unjudged:
                    raise
    return made


def _take_hosts(found: Import, stack: Stack, hosts: list[dict[str, Any]]) -> None:
    there = {host.name: host for host in stack.hosts.living()}
    for fields in hosts:
        name = fields["name"]
        if name not in there:
            found.hosts.append(fields)
            continue
        old = there[name]
        shown = {key: getattr(old, key) for key in fields}
        if shown == fields:
            found.same.append(name)
        else:
            differing = ", ".join(key for key in fields if shown[key] != fields[key])
            text = _("There is a host of this name with another %s. Change it on its own page.")
            found.left.append(Left(name, text % differing))


def _take_variable(found: Import, stack: Stack, kind: Kind, old: str, value: Any) -> None:
    name = kind.hosts.old_names.get(old, old.lower())
    variable = kind.variables.get(name)
    if value in NOTHING:
        return
    if name in kind.provided:
        text = _("The portal sets this itself (%s).")
        found.left.append(Left(old, text % kind.provided[name]))
    elif variable is None:
        found.left.append(Left(old, _("The blueprint does not know this variable.")))
    elif isinstance(value, str) and "{{" in value:
        text = _("It is a template. Give the value that it stands for.")
        found.left.append(Left(old, text))
    elif variable.sensitive:
        _take_secret(found, kind, old, name, value)
    else:
        _take_plain(found, stack, variable, old, value)


def _take_secret(found: Import, kind: Kind, old: str, name: str, value: Any) -> None:
    text = value if isinstance(value, str) else ""
    if problems := blueprints.judge_secret(kind, name, text):
        found.left.append(Left(old, problems[name]))
    else:
        # Whether it is the one that is set already is not told: whoever asks might be guessing.
        found.secrets[name] = text
        found.secrets_taken.append(Taken(old, name))


def _take_plain(
    found: Import, stack: Stack, variable: blueprints.Variable, old: str, value: Any
) -> None:
    if isinstance(value, str) and variable.spec.kind != "string":
        try:
            value = value_from_text(variable, TRUTH.get(value.lower(), value))
        except InputsRefused as refusal:
            found.left.append(Left(old, refusal.problems[variable.name]))
            return
    default = variable.default if variable.has_default else None
    before = stack.desired_inputs.get(variable.name, default)
    if value == before:
        found.same.append(variable.name)
    else:
        found.inputs.append(Taken(old, variable.name, value, before))


def _judge(found: Import, stack: Stack, kind: Kind) -> None:
    """Leave out what the blueprint's rules refuse; tell what a run will still ask for."""
    have = {*secrets_.versions(stack), *found.secrets}
    wanted = {**stack.desired_inputs, **found.values}
    try:
        problems = blueprints.judge(kind, wanted, have, settings.TERRAFORM_BIN)
    except blueprints.RulesNotJudged as reason:
        found.unjudged, problems = str(reason), []
    refused: Mapping[str, str] = {problem.variable: problem.message for problem in problems}
    for taken in [one for one in found.inputs if one.name in refused]:
        found.inputs.remove(taken)
        text = _("“%(value)s” is refused: %(why)s")
        told = {"value": taken.value, "why": refused[taken.name]}
        found.left.append(Left(taken.old, text % told))
    wanted = {**dict.fromkeys(kind.provided, ""), **stack.desired_inputs, **found.values}
    found.lacking = [kind.label(name) for name in blueprints.missing(kind, wanted, have)]
