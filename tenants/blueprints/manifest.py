"""Reads one blueprint folder: blueprint.yaml by its schema, the HCL of each kind, and both
against each other. Everything that is wrong is collected, with file and line."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from tenants.blueprints import adoption, hosts, lines, templates
from tenants.blueprints.hcl import RootModule, read_folder
from tenants.blueprints.model import (
    Action,
    Flaw,
    Group,
    Kind,
    NameRule,
    Output,
    Param,
    SecretRule,
    StepSpec,
    Variable,
)

MANIFEST = "blueprint.yaml"
SCHEMA = json.loads(Path(__file__).with_name("schema.json").read_text(encoding="utf-8"))
# What stands beside a step's own parameters.
STEP_KEYS = ("kind", "phase", "if_output")
_VALIDATOR = Draft202012Validator(SCHEMA)


class Reader:
    """Reads one blueprint; afterwards `flaws` says what is wrong and `folders` what it uses."""

    def __init__(self, base: Path, name: str) -> None:
        self.base, self.name = base, name
        self.folder = base / name
        self.file = f"{name}/{MANIFEST}"
        self.flaws: list[Flaw] = []
        self.folders: list[Path] = [self.folder]
        self.document = lines.Document()
        self.is_hcl_known = True

    def read(self) -> tuple[dict[str, Any], dict[str, Kind]]:
        """Return the manifest as it stands and its kinds; both empty when it is unreadable."""
        if not self.open(MANIFEST, _VALIDATOR):
            return {}, {}
        raw = self.document.value
        kinds = {name: self._kind(name, spec) for name, spec in raw["kinds"].items()}
        if not any(not flaw.is_warning for flaw in self.flaws):
            kinds = adoption.read(self, kinds, SCHEMA)
        return raw, kinds

    def open(self, name: str, validator: Draft202012Validator) -> bool:
        """Read one YAML file of the blueprint; tell whether it fits its schema."""
        self.file = f"{self.name}/{name}"
        try:
            self.document = lines.read((self.folder / name).read_text(encoding="utf-8"))
        except lines.YamlBroken as error:
            self.flaws.append(Flaw(self.file, error.line, error.text))
            return False
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            self.flaws.append(Flaw(self.file, 1, _("Not readable: %(why)s") % {"why": reason}))
            return False
        return self._fits_schema(validator)

    def flaw(self, path: lines.Path, text: str, **params: Any) -> None:
        """Note what is wrong at a place of the document."""
        self.flaws.append(Flaw(self.file, self.document.line(path), text % params))

    def _fits_schema(self, validator: Draft202012Validator) -> bool:
        errors = sorted(validator.iter_errors(self.document.value), key=_position)
        for error in errors:
            inner = best_match(error.context) if error.context else None
            path = tuple((inner or error).absolute_path)
            unknown = _unknown_keys(error)
            line = self.document.line((*path, unknown) if unknown else path)
            self.flaws.append(Flaw(self.file, line, _said(error)))
        return not errors

    # --- one kind ----------------------------------------------------------------------------

    def _kind(self, name: str, spec: dict[str, Any]) -> Kind:
        path: lines.Path = ("kinds", name)
        root = self.folder / spec["root"]
        module = self._root((*path, "root"), root, spec["root"])
        variables = self._variables(path, spec, module)
        kind = Kind(
            name=name,
            blueprint=self.name,
            title=spec.get("title", name),
            root=root,
            root_name=f"{self.name}/{spec['root']}",
            needs_shared=spec.get("needs_shared", False),
            naming=self._naming(path, spec["naming"]),
            actions=self.actions(path, spec, variables, module.outputs),
            groups=self._groups(path, spec, variables),
            variables=variables,
            outputs=module.outputs,
            provided=spec.get("provided", {}),
            versions=spec.get("versions", {}),
            sizes=spec.get("sizes", {}),
            secret_rules={n: SecretRule(**rule) for n, rule in spec.get("secrets", {}).items()},
            labels=spec.get("labels", {}),
            holds_data=tuple(spec.get("holds_data", ())),
            outputs_shown=tuple(spec.get("outputs_shown", ())),
            readiness=spec.get("readiness"),
            required_version=module.required_version,
            providers=frozenset(module.providers),
            configured_providers=frozenset(module.configured),
            judge_files=module.judge_files,
            published=tuple(self.document.value.get("published", ())),
            hosts=hosts.read(spec.get("hosts")),
        )
        self._check_outputs(path, kind)
        if kind.hosts:
            self._check_hosts((*path, "hosts"), kind.hosts, variables, module.outputs)
        for group in hosts.unknown_groups(kind.hosts) if kind.hosts else ():
            self.flaw((*path, "hosts"), _("No role is in the group “%(group)s”."), group=group)
        if kind.needs_shared and name == "shared":
            self.flaw(path, _("A shared environment cannot need a shared environment."))
        return kind

    def _root(self, path: lines.Path, root: Path, name: str) -> RootModule:
        """Return what the root module declares; empty, with a flaw, when it is not there."""
        module = RootModule()
        if root.is_dir() and root.resolve().is_relative_to(self.folder.resolve()):
            module = read_folder(root, self.base)
            self.flaws += module.flaws
            self._follow(module, root)
            if not module.file_count:
                self.flaw(path, _("“%(root)s” holds no .tf file."), root=name)
        else:
            self.flaw(path, _("There is no folder “%(root)s” in this blueprint."), root=name)
        # What a broken file declares is not known, so nothing is said to be missing in it.
        self.is_hcl_known = module.file_count > 0 and not any(
            not flaw.is_warning for flaw in module.flaws
        )
        return module

    def _follow(self, module: RootModule, folder: Path) -> None:
        """Collect the local modules that a root module uses, and those that they use."""
        for source, file, line in module.sources:
            if not source.startswith(("./", "../")):
                continue
            target = (folder / source).resolve()
            if not target.is_dir() or not target.is_relative_to(self.base.resolve()):
                text = _("There is no module “%(source)s” in the blueprint root.")
                self.flaws.append(Flaw(file, line, text % {"source": source}))
            elif target not in self.folders:
                # In the blueprint's own folder it is covered already, but it is read all the same.
                self.folders.append(target)
                inner = read_folder(target, self.base.resolve())
                self.flaws += inner.flaws
                self._follow(inner, target)
                module.providers |= inner.providers

    def _variables(
        self, path: lines.Path, spec: dict[str, Any], module: RootModule
    ) -> dict[str, Variable]:
        roles: dict[str, str] = {}
        for key, role in (("versions", "version"), ("sizes", "size")):
            for component, name in spec.get(key, {}).items():
                self.known((*path, key, component), name, module.variables, _("variable"))
                roles[name] = role
        for name in spec.get("secrets", {}):
            where = (*path, "secrets", name)
            if self.known(where, name, module.variables, _("variable")):
                variable = module.variables[name]
                if not variable.sensitive:
                    text = _("“%(name)s” is a secret: write “sensitive = true” at %(at)s.")
                    self.flaw(where, text, name=name, at=f"{variable.file}:{variable.line}")
        for key in ("provided", "labels"):
            for name in spec.get(key, {}):
                self.known((*path, key, name), name, module.variables, _("variable"))
        for variable in module.variables.values():
            self._warn(variable)
            if variable.sensitive:
                roles[variable.name] = "secret"
        return {n: replace(v, role=roles.get(n, "")) for n, v in module.variables.items()}

    def _warn(self, variable: Variable) -> None:
        def warn(text: str) -> None:
            said = text % {"name": variable.name}
            self.flaws.append(Flaw(variable.file, variable.line, said, is_warning=True))

        if variable.sensitive and variable.rules:
            warn(
                _(
                    "“%(name)s” is sensitive and has a validation block: Terraform prints a "
                    "refused value. Write the rule under “secrets” in blueprint.yaml."
                )
            )
        if not variable.description:
            warn(_("“%(name)s” has no description, so its form field has no help."))

    def _naming(self, path: lines.Path, spec: dict[str, Any]) -> NameRule:
        try:
            re.compile(spec["pattern"])
        except re.error as error:
            where = (*path, "naming", "pattern")
            self.flaw(where, _("Not a regular expression: %(why)s"), why=error)
        reserved = tuple(spec.get("reserved", ()))
        return NameRule(
            spec["pattern"],
            spec.get("min", 1),
            spec.get("max", 64),
            reserved,
            spec["message"].strip(),
        )

    def _groups(
        self, path: lines.Path, spec: dict[str, Any], variables: dict[str, Variable]
    ) -> tuple[Group, ...]:
        groups, seen = [], set(spec.get("provided", {}))
        for number, group in enumerate(spec.get("groups", ())):
            where = (*path, "groups", number, "variables")
            names = [
                name
                for i, name in enumerate(group["variables"])
                if self.known((*where, i), name, variables, _("variable"))
            ]
            for name in seen.intersection(names):
                self.flaw(where, _("“%(name)s” stands in a form already."), name=name)
            seen.update(names)
            groups.append(Group(group["title"], group.get("help", ""), tuple(names)))
        # A variable that no group names still gets its field.
        rest = tuple(name for name in variables if name not in seen)
        return (*groups, Group(_("More"), "", rest)) if rest else tuple(groups)

    def actions(
        self,
        path: lines.Path,
        spec: dict[str, Any],
        variables: Mapping[str, Variable],
        outputs: Mapping[str, Output],
    ) -> dict[str, Action]:
        """Return the actions of a kind by name."""
        actions = {}
        inputs = {n: v for n, v in variables.items() if n not in spec.get("provided", {})}
        for name, raw in spec["actions"].items():
            where = (*path, "actions", name)
            fields = raw.get("fields", ())
            if fields != "all":
                for i, field_name in enumerate(fields):
                    self.known((*where, "fields", i), field_name, inputs, _("input"))
                fields = tuple(fields)
            actions[name] = Action(
                name=name,
                label=raw["label"],
                kind=raw["kind"],
                risk=raw["risk"],
                description=raw.get("description", ""),
                auto_apply_allowed=raw.get("auto_apply", False),
                confirm=raw.get("confirm", "button"),
                when=raw.get("when", "always"),
                fields=fields,
                steps=self._steps(where, raw, variables, outputs),
                timeouts=raw.get("timeouts", {}),
                params=self._params((*where, "params"), raw.get("params", {})),
            )
        return actions

    def _params(self, path: lines.Path, raw: dict[str, Any]) -> tuple[Param, ...]:
        params = []
        for name, spec in raw.items():
            spec = {**spec, "choices": tuple(spec.get("choices", ()))}
            param = Param(name=name, **spec)
            if (param.type == "choice") != bool(param.choices or param.choices_from):
                text = _("“%(name)s”: choices and choices_from belong to the type choice alone.")
                self.flaw((*path, name), text, name=name)
            params.append(param)
        return tuple(params)

    def _steps(
        self,
        path: lines.Path,
        action: dict[str, Any],
        variables: Mapping[str, Variable],
        outputs: Mapping[str, Output],
    ) -> tuple[StepSpec, ...]:
        steps, path = [], (*path, "steps")
        for number, spec in enumerate(action["steps"]):
            where = (*path, number)
            params = {key: value for key, value in spec.items() if key not in STEP_KEYS}
            self._check_places(where, params, variables, outputs, action.get("params", {}))
            needed = spec.get("if_output", "")
            if needed:
                self.known((*where, "if_output"), needed, outputs, _("output"))
            line = self.document.line(where)
            phase = spec.get("phase", "")
            steps.append(StepSpec(spec["kind"], params, self.file, line, phase, needed))
        kinds = [step.kind for step in steps]
        if "terraform.apply" in kinds:
            before = kinds[: kinds.index("terraform.apply")]
            if "terraform.plan" not in before:
                self.flaw(path, _("“terraform.apply” needs a “terraform.plan” before it."))
        return tuple(steps)

    def _check_places(
        self,
        where: lines.Path,
        template: Any,
        variables: Iterable[str],
        outputs: Iterable[str],
        params: Iterable[str] = (),
    ) -> None:
        named = {"outputs": outputs, "inputs": variables, "secrets": variables, "params": params}
        for place in templates.places(template):
            root, _dot, rest = place.partition(".")
            if not templates.is_look_up(place):
                text = _("“%(place)s” is not a look-up: write {{ %(roots)s.name }}.")
                self.flaw(where, text, place=place, roots="|".join(templates.ROOTS))
            elif self.is_hcl_known and root in named and rest.split(".")[0] not in named[root]:
                self.flaw(where, _("There is no “%(place)s” in this kind."), place=place)

    def _check_outputs(self, path: lines.Path, kind: Kind) -> None:
        for i, name in enumerate(kind.outputs_shown):
            self.known((*path, "outputs_shown", i), name, kind.outputs, _("output"))
        for key in ("url", "or_url") if kind.readiness else ():
            where, template = (*path, "readiness", key), kind.readiness.get(key, "")
            self._check_places(where, template, kind.variables, kind.outputs)
        verify = (kind.readiness or {}).get("verify_tls")
        for name in verify if isinstance(verify, dict) else ():
            where = (*path, "readiness", "verify_tls", name)
            self.known(where, name, kind.variables, _("variable"))

    def _check_hosts(
        self,
        path: lines.Path,
        rules: hosts.HostRules,
        variables: Mapping[str, Variable],
        outputs: Mapping[str, Output],
    ) -> None:
        for old, name in rules.old_names.items():
            self.known((*path, "old_names", old), name, variables, _("variable"))
        if rules.from_output:
            self.known((*path, "from_output"), rules.from_output, outputs, _("output"))
        if not rules.ssh_key:
            return
        where = (*path, "ssh_key")
        if not rules.from_output:
            self.flaw(where, _("“ssh_key” is for hosts that come “from_output”."))
        secret = [name for name, variable in variables.items() if variable.sensitive]
        self.known(where, rules.ssh_key, secret, _("sensitive variable"))

    def known(self, path: lines.Path, name: str, known: Iterable[str], what: str) -> bool:
        """Tell whether a name is among those of the HCL; note it as a flaw where it is not."""
        if name in known or not self.is_hcl_known:
            return name in known
        text = _("There is no %(what)s “%(name)s” in the HCL. It has: %(known)s.")
        self.flaw(path, text, what=what, name=name, known=", ".join(sorted(known)) or "–")
        return False


def _position(error: ValidationError) -> list[str]:
    return [str(part) for part in error.absolute_path]


def _unknown_keys(error: ValidationError) -> str:
    if error.validator != "additionalProperties" or not isinstance(error.instance, dict):
        return ""
    allowed = set(error.schema.get("properties", {}))
    return next((key for key in error.instance if key not in allowed), "")


def _said(error: ValidationError) -> str:
    where = ".".join(str(part) for part in error.absolute_path)
    unknown = _unknown_keys(error)
    if unknown:
        known = ", ".join(sorted(error.schema.get("properties", {})))
        text = _("Unknown key “%(key)s”. Known here: %(known)s.")
        return text % {"key": unknown, "known": known}
    if error.validator == "required":
        missing = [key for key in error.validator_value if key not in error.instance]
        text = _("“%(where)s” lacks %(keys)s.")
        return text % {"where": where or MANIFEST, "keys": ", ".join(missing)}
    if error.validator == "enum":
        text = _("“%(where)s” is “%(value)s”, but must be one of: %(known)s.")
        known = ", ".join(str(value) for value in error.validator_value)
        return text % {"where": where, "value": error.instance, "known": known}
    return f"{where}: {error.message}" if where else error.message
