"""Take sensitive values out of the JSON of a plan, before anything of it is stored.

By the plan's own trees (`before_sensitive`, `sensitive_values` …) and then by value: a provider
computes attributes from sensitive ones without marking them (`terraform_data.output` does), so
every string that stood at a sensitive place is looked for everywhere else.
Format: https://developer.hashicorp.com/terraform/internals/json-format
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from .redact import DOTS, MIN_LENGTH, Redactor

# Parts of a plan that hold values; in the others stand addresses and names, which are no secret
# and must stay what they are, also when a secret happens to read the same.
_CHANGE_VALUES = ("before", "after", "generated_config", "importing")

Clear = Callable[[object], object]


def mask_plan(plan: dict, sensitive_variables: Iterable[str] = ()) -> dict:
    """Return a copy of `show -json` of a plan without sensitive values.

    `sensitive_variables` are those of the root module that are sensitive for the caller, beside
    those that the plan itself says.
    """
    return _Masker(plan, set(sensitive_variables)).masked()


def has_mark(marks: object) -> bool:
    """Say whether anything in a tree of sensitivity is marked."""
    if isinstance(marks, dict):
        return any(has_mark(mark) for mark in marks.values())
    if isinstance(marks, list):
        return any(has_mark(mark) for mark in marks)
    return marks is True


class _Masker:
    """One pass that masks and remembers what it masked, one that looks for that elsewhere."""

    def __init__(self, plan: dict, sensitive_variables: set[str]) -> None:
        self.plan = plan
        self.seen: set[str] = set()
        root = (plan.get("configuration") or {}).get("root_module") or {}
        declared = root.get("variables") or {}
        self.variables = sensitive_variables | {
            name for name, variable in declared.items() if variable.get("sensitive")
        }
        # address without keys -> names of the attributes that are sensitive in any instance
        self.attributes: dict[str, set[str]] = {}

    def masked(self) -> dict:
        plan = dict(self.plan)
        for part in ("resource_changes", "resource_drift"):
            plan[part] = [self.resource_change(change) for change in plan.get(part) or []]
        plan["deferred_changes"] = [
            {**item, "resource_change": self.resource_change(item.get("resource_change") or {})}
            for item in plan.get("deferred_changes") or []
        ]
        plan["output_changes"] = {
            name: self.change(change) for name, change in (plan.get("output_changes") or {}).items()
        }
        plan["variables"] = {
            name: self.mask(item, name in self.variables)
            for name, item in (plan.get("variables") or {}).items()
        }
        plan["planned_values"] = self.values(plan.get("planned_values"))
        if plan.get("prior_state"):
            state = plan["prior_state"]
            plan["prior_state"] = {**state, "values": self.values(state.get("values"))}
        if plan.get("configuration"):
            plan["configuration"] = self.configuration(plan["configuration"])
        return self.without_seen(plan)

    # -- by the plan's trees ---------------------------------------------------------------

    def mask(self, value: object, marks: object) -> object:
        """Return the value with dots where the tree says so; null stays null."""
        if value is None or not has_mark(marks):
            return value
        if isinstance(marks, dict) and isinstance(value, dict):
            return {key: self.mask(item, marks.get(key)) for key, item in value.items()}
        if isinstance(marks, list) and isinstance(value, list) and len(marks) == len(value):
            return [self.mask(item, mark) for item, mark in zip(value, marks, strict=True)]
        self.remember(value)
        return DOTS

    def remember(self, value: object) -> None:
        """Keep the strings that are long enough to be told from ordinary words."""
        if isinstance(value, str):
            if len(value) >= MIN_LENGTH:
                self.seen.add(value)
        elif isinstance(value, dict | list):
            for item in value.values() if isinstance(value, dict) else value:
                self.remember(item)

    def resource_change(self, found: dict) -> dict:
        change = found.get("change") or {}
        self.note_attributes(found.get("address", ""), change.get("before_sensitive"))
        self.note_attributes(found.get("address", ""), change.get("after_sensitive"))
        return {**found, "change": self.change(change)}

    def note_attributes(self, address: str, marks: object) -> None:
        if isinstance(marks, dict):
            names = {name for name, mark in marks.items() if has_mark(mark)}
            self.attributes.setdefault(without_keys(address), set()).update(names)

    def change(self, change: dict) -> dict:
        masked = dict(change)
        for side in ("before", "after"):
            if side in change:
                masked[side] = self.mask(change[side], change.get(f"{side}_sensitive"))
        return masked

    def values(self, values: dict | None) -> dict:
        """Mask a state's or a plan's values: outputs and resources of all modules."""
        values = dict(values or {})
        values["outputs"] = {
            name: {**item, "value": self.mask(item["value"], item.get("sensitive"))}
            if "value" in item
            else item
            for name, item in (values.get("outputs") or {}).items()
        }
        if values.get("root_module"):
            values["root_module"] = self.module(values["root_module"])
        return values

    def module(self, module: dict) -> dict:
        resources = []
        for item in module.get("resources") or []:
            self.note_attributes(item.get("address", ""), item.get("sensitive_values"))
            values = self.mask(item.get("values"), item.get("sensitive_values"))
            resources.append({**item, "values": values})
        children = [self.module(child) for child in module.get("child_modules") or []]
        return {**module, "resources": resources, "child_modules": children}

    # -- configuration: constants have no tree, the names of their attributes decide -------

    def configuration(self, configuration: dict) -> dict:
        providers = {
            name: {**item, "expressions": self.constants(item.get("expressions") or {})}
            for name, item in (configuration.get("provider_config") or {}).items()
        }
        root = self.module_configuration(configuration.get("root_module") or {}, "")
        return {**configuration, "provider_config": providers, "root_module": root}

    def module_configuration(self, module: dict, prefix: str) -> dict:
        sensitive = {n for n, v in (module.get("variables") or {}).items() if v.get("sensitive")}
        sensitive |= set() if prefix else self.variables
        masked = dict(module)
        masked["variables"] = {
            name: {**item, "default": self.mask(item.get("default"), name in sensitive)}
            if "default" in item
            else item
            for name, item in (module.get("variables") or {}).items()
        }
        masked["outputs"] = {
            name: self.constants(item) if item.get("sensitive") else item
            for name, item in (module.get("outputs") or {}).items()
        }
        masked["resources"] = [
            self.resource_configuration(item, prefix) for item in module.get("resources") or []
        ]
        masked["module_calls"] = {
            name: self.module_call(call, f"{prefix}module.{name}.")
            for name, call in (module.get("module_calls") or {}).items()
        }
        return masked

    def resource_configuration(self, resource: dict, prefix: str) -> dict:
        names = self.attributes.get(f"{prefix}{resource.get('address', '')}", set())
        return {**resource, "expressions": self.named(resource.get("expressions"), names)}

    def module_call(self, call: dict, prefix: str) -> dict:
        module = call.get("module") or {}
        names = {n for n, v in (module.get("variables") or {}).items() if v.get("sensitive")}
        return {
            **call,
            "expressions": self.named(call.get("expressions"), names),
            "module": self.module_configuration(module, prefix),
        }

    def named(self, expressions: dict | None, names: set[str]) -> dict:
        return {
            name: self.constants(item) if name in names else item
            for name, item in (expressions or {}).items()
        }

    def constants(self, tree: object) -> object:
        """Mask every constant below; references to other objects stay."""
        if isinstance(tree, list):
            return [self.constants(item) for item in tree]
        if not isinstance(tree, dict):
            return tree
        return {
            key: self.mask(item, True) if key == "constant_value" else self.constants(item)
            for key, item in tree.items()
        }

    # -- by value --------------------------------------------------------------------------

    def without_seen(self, plan: dict) -> dict:
        """Return the plan without the masked strings at places that nobody marked."""
        if not self.seen:
            return plan
        clear = Redactor(self.seen, by_line=False).narrowed(plan).tree
        for part in ("resource_changes", "resource_drift"):
            plan[part] = [{**item, "change": _clear_change(item, clear)} for item in plan[part]]
        plan["deferred_changes"] = [
            {**item, "resource_change": {**found, "change": _clear_change(found, clear)}}
            for item in plan["deferred_changes"]
            for found in [item["resource_change"]]
        ]
        plan["output_changes"] = {
            name: _clear_change({"change": change}, clear)
            for name, change in plan["output_changes"].items()
        }
        plan["variables"] = clear(plan["variables"])
        plan["planned_values"] = _clear_values(plan["planned_values"], clear)
        if plan.get("prior_state"):
            values = _clear_values(plan["prior_state"]["values"], clear)
            plan["prior_state"] = {**plan["prior_state"], "values": values}
        for part in ("configuration", "checks"):
            if part in plan:
                plan[part] = _clear_texts(plan[part], clear)
        return plan


def _clear_change(found: dict, clear: Clear) -> dict:
    change = found.get("change") or {}
    return {name: clear(item) if name in _CHANGE_VALUES else item for name, item in change.items()}


def _clear_values(values: dict, clear: Clear) -> dict:
    outputs = {
        name: {**item, "value": clear(item.get("value"))} if "value" in item else item
        for name, item in (values.get("outputs") or {}).items()
    }
    root = _clear_module(values["root_module"], clear) if values.get("root_module") else None
    return {**values, "outputs": outputs, **({"root_module": root} if root else {})}


def _clear_module(module: dict, clear: Clear) -> dict:
    resources = [{**item, "values": clear(item.get("values"))} for item in module["resources"]]
    children = [_clear_module(child, clear) for child in module["child_modules"]]
    return {**module, "resources": resources, "child_modules": children}


def _clear_texts(tree: object, clear: Clear) -> object:
    """Clear constants, defaults and messages; addresses, types and references stay."""
    if isinstance(tree, list):
        return [_clear_texts(item, clear) for item in tree]
    if not isinstance(tree, dict):
        return tree
    return {
        key: clear(item)
        if key in ("constant_value", "default", "message", "description")
        else _clear_texts(item, clear)
        for key, item in tree.items()
    }


def without_keys(address: str) -> str:
    """Return `module.a.x.b` for `module.a["k"].x.b[0]`; a key may hold brackets and quotes."""
    plain, inside, quoted, escaped = [], False, False, False
    for sign in address:
        if quoted:
            quoted = escaped or sign != '"'
            escaped = sign == "\\" and not escaped
        elif inside:
            quoted, inside = sign == '"', sign != "]"
        elif sign == "[":
            inside = True
        else:
            plain.append(sign)
    return "".join(plain)
