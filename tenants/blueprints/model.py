"""What a blueprint says, once it has been read: frozen values, safe to share between threads."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from tenants.blueprints.hosts import HostRules
from tenants.blueprints.stepkinds import ENGINE_STEPS, LOOKS, needs_inputs

PRIMITIVES = ("string", "number", "bool")


@dataclass(frozen=True)
class Attribute:
    """One attribute of an object type."""

    name: str
    type: "TypeSpec"
    is_optional: bool = False
    default: Any = None
    choices: tuple[Any, ...] = ()


@dataclass(frozen=True)
class TypeSpec:
    """A Terraform type constraint, parsed.

    https://developer.hashicorp.com/terraform/language/expressions/type-constraints
    """

    kind: str
    element: "TypeSpec | None" = None
    attributes: tuple[Attribute, ...] = ()
    items: tuple["TypeSpec", ...] = ()

    def __str__(self) -> str:
        if self.kind == "object":
            parts = ", ".join(_attribute_text(attribute) for attribute in self.attributes)
            return f"object({{{parts}}})"
        if self.kind == "tuple":
            return f"tuple([{', '.join(map(str, self.items))}])"
        return f"{self.kind}({self.element})" if self.element else self.kind

    @property
    def is_primitive(self) -> bool:
        """Tell whether a value is one text, number or truth value."""
        return self.kind in PRIMITIVES


def _attribute_text(attribute: Attribute) -> str:
    kind = f"optional({attribute.type})" if attribute.is_optional else f"{attribute.type}"
    return f"{attribute.name} = {kind}"


@dataclass(frozen=True)
class Rule:
    """One `validation` block: where its text stands and what it refers to."""

    start: int
    end: int
    names: frozenset[str]
    is_foreign: bool


@dataclass(frozen=True)
class Variable:
    """An input of a root module, as its `variable` block declares it.

    `type` is the constraint in one line. `role`: version, size, secret or empty. `choices` is
    a hint, no rule. `file` is relative to the blueprint root; `line` to `end_line` is the block.
    """

    name: str
    type: str
    spec: TypeSpec
    default: Any
    has_default: bool
    description: str
    sensitive: bool
    nullable: bool
    file: str
    line: int
    end_line: int
    start: int
    end: int
    rules: tuple[Rule, ...] = ()
    choices: tuple[Any, ...] = ()
    role: str = ""

    @property
    def required(self) -> bool:
        """Tell whether the variable has no default."""
        return not self.has_default

    @property
    def is_secret(self) -> bool:
        """Tell whether values are kept as Secret rows and never shown."""
        return self.sensitive


@dataclass(frozen=True)
class Output:
    """An output of a root module."""

    name: str
    description: str
    sensitive: bool
    file: str
    line: int


@dataclass(frozen=True)
class NameRule:
    """What a stack of this kind may be called; `pattern` is a whole-match regular expression."""

    pattern: str
    min: int
    max: int
    reserved: tuple[str, ...]
    message: str

    def problem(self, name: str) -> str:
        """Return why the name cannot be used, with the way out; empty when it can."""
        if name in self.reserved:
            text = _("it is reserved; so are %(names)s.")
            return text % {"names": ", ".join(n for n in self.reserved if n != name) or "–"}
        if not self.min <= len(name) <= self.max:
            text = _("it needs %(min)s to %(max)s characters.")
            return f"{text % {'min': self.min, 'max': self.max}} {self.message}"
        return "" if re.fullmatch(self.pattern, name) else self.message


@dataclass(frozen=True)
class Group:
    """Variables that a form shows together."""

    title: str
    help: str
    variables: tuple[str, ...]


@dataclass(frozen=True)
class SecretRule:
    """What a secret must fulfil; judged before Terraform starts, so that nothing can quote it."""

    min_length: int = 8
    forbid: str = ""
    message: str = ""
    multiline: bool = False


@dataclass(frozen=True)
class StepSpec:
    """One step of an action: a kind that the portal knows, and its parameters.

    `phase` is where it is done when that is not the kind's own phase; `if_output` names an output
    without which it is skipped.
    """

    kind: str
    params: Mapping[str, Any]
    file: str
    line: int
    phase: str = ""
    if_output: str = ""


@dataclass(frozen=True)
class Param:
    """What an action asks for a single run: no input of the stack, nothing stays of it.

    `choices_from` is empty, `backups:<component>`, `restore_points` or `components`.
    """

    name: str
    label: str
    type: str
    help: str = ""
    required: bool = False
    default: Any = None
    choices: tuple[Any, ...] = ()
    choices_from: str = ""


@dataclass(frozen=True)
class Action:
    """What a person may start on a stack.

    `when` is new (nothing is installed yet), installed or always; `fields` is "all" or the
    variables that the action's form shows; `timeouts` holds plan_s, apply_s and silence_s where
    they differ from the settings.
    """

    name: str
    label: str
    kind: str
    risk: str
    description: str
    auto_apply_allowed: bool
    confirm: str
    when: str
    fields: str | tuple[str, ...]
    steps: tuple[StepSpec, ...]
    timeouts: Mapping[str, int] = field(default_factory=dict)
    params: tuple[Param, ...] = ()

    @property
    def is_plan_only(self) -> bool:
        """Tell whether the action ends with its plan."""
        return all(step.kind in LOOKS and step.phase in ("", "plan") for step in self.steps)

    @property
    def uses_engine(self) -> bool:
        """Tell whether any step needs Terraform."""
        return any(step.kind.startswith(ENGINE_STEPS) for step in self.steps)

    @property
    def needs_inputs(self) -> bool:
        """Tell whether it needs every required input."""
        return any(needs_inputs(step.kind) for step in self.steps)

    @property
    def returns_to_point(self) -> str:
        """Return the parameter that names a restore point to go back to; empty for none."""
        found = (p.name for p in self.params if p.choices_from == "restore_points")
        return next(found, "")


@dataclass(frozen=True)
class OldVariable:
    """What becomes of a variable of another tool: the input `to` that takes it, or why none does.

    `values` are other words for single values.
    """

    to: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    drop: str = ""


@dataclass(frozen=True)
class OldResource:
    """How a resource is known in the state of another tool, and what it is here.

    `at` is a pattern of its address there; all attributes of `where` must be as said. `to` is its
    address here, `id` what the provider imports it by. A stack without a `must` is another one.
    """

    type: str
    where: Mapping[str, str]
    at: str = "*"
    must: bool = False
    to: str = ""
    id: str = ""


@dataclass(frozen=True)
class Adoption:
    """How a stack that another tool built is taken over, and what can be done with it then.

    `values_file` is a pattern; `name` and `time_zone` are variables in there; a text of `nothing`
    means no value. `present`: input → resource whose presence makes it true. `machines`:
    component → its Name tag.
    """

    values_file: str
    name: str
    time_zone: str
    nothing: tuple[str, ...]
    variables: Mapping[str, OldVariable]
    present: Mapping[str, str]
    resources: Mapping[str, OldResource]
    outputs: Mapping[str, Any]
    machines: Mapping[str, str]
    actions: Mapping[str, Action]


@dataclass(frozen=True)
class Kind:
    """How one kind of stack is built.

    `root` is the absolute folder of the root module, `root_name` the same relative to the
    blueprint root (with slashes). `judge_files` are the variable blocks alone, by file name, each
    at its own line. `providers` are those that Terraform has to fetch, also for local modules;
    `configured_providers` have a block of their own in the root module. `adoption` and `hosts`
    are None for a kind that knows none. No secret may be one of the passwords `published`.
    """

    name: str
    blueprint: str
    title: str
    root: Path
    root_name: str
    needs_shared: bool
    naming: NameRule
    actions: Mapping[str, Action]
    groups: tuple[Group, ...]
    variables: Mapping[str, Variable]
    outputs: Mapping[str, Output]
    provided: Mapping[str, str]
    versions: Mapping[str, str]
    sizes: Mapping[str, str]
    secret_rules: Mapping[str, SecretRule]
    labels: Mapping[str, str]
    holds_data: tuple[str, ...]
    outputs_shown: tuple[str, ...]
    readiness: Mapping[str, Any] | None
    required_version: str
    providers: frozenset[str]
    configured_providers: frozenset[str]
    judge_files: Mapping[str, str]
    published: tuple[str, ...] = ()
    adoption: Adoption | None = None
    hosts: HostRules | None = None

    @property
    def all_actions(self) -> tuple[Action, ...]:
        """Return the actions of ordinary stacks and of adopted ones."""
        return (*self.actions.values(), *(self.adoption.actions.values() if self.adoption else ()))

    def actions_of(self, is_adopted: bool) -> Mapping[str, Action]:
        """Return what can be done with a stack; one that is adopted has actions of its own.

        None without adopt.yaml: the kind's own would build everything a second time.
        """
        if not is_adopted:
            return self.actions
        return self.adoption.actions if self.adoption else {}

    @property
    def inputs(self) -> tuple[Variable, ...]:
        """Return the variables that people fill in, in the order of the groups."""
        grouped = [name for group in self.groups for name in group.variables]
        return tuple(self.variables[name] for name in grouped)

    def label(self, name: str) -> str:
        """Return what a form calls a variable: as the blueprint says, or its name as words."""
        return self.labels.get(name) or words(name)

    def holds(self, address: str) -> bool:
        """Tell whether the resource of this address holds data that cannot be made again."""
        return any(_glob(pattern).fullmatch(address) for pattern in self.holds_data)


@dataclass(frozen=True)
class Blueprint:
    """A folder of the blueprint root, read and checked.

    `files` are all files that stacks are built from, the blueprint's and those of the modules
    that it uses, relative to `base` (the blueprint root) and sorted; `digest` covers exactly
    these. `warnings` are flaws that do not stop it.
    """

    name: str
    title: str
    description: str
    base: Path
    path: Path
    digest: str
    kinds: Mapping[str, Kind]
    files: tuple[str, ...]
    warnings: tuple["Flaw", ...] = ()


@dataclass(frozen=True)
class Flaw:
    """What is wrong in a blueprint, and where; `file` is relative to the blueprint root."""

    file: str
    line: int
    text: str
    is_warning: bool = False

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"


@dataclass(frozen=True)
class Problem:
    """Why a value is refused; `variable` is empty when the message belongs to no single one."""

    variable: str
    message: str
    file: str = ""
    line: int = 0


def words(name: str) -> str:
    """Return an identifier as words: `disk_size` as `Disk size`."""
    spoken = name.replace("_", " ").replace("-", " ").strip()
    return spoken[:1].upper() + spoken[1:]


def _glob(pattern: str) -> re.Pattern[str]:
    # Addresses hold brackets, which fnmatch would read as character classes.
    return re.compile(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."))
