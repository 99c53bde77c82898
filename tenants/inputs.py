"""The form of a blueprint's inputs, made from the variables of its HCL.

Only what a browser may check early is checked here (required, number, choices); the rules are
Terraform's, asked by services.save_inputs, and come back by `refuse`.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tenants import blueprints
from tenants.blueprints import Attribute, Kind, TypeSpec, Variable
from tenants.blueprints.model import words as label_of
from tenants.input_fields import (
    ChoiceTextField,
    JsonTextField,
    LinesField,
    NumberField,
    PairsField,
    PlainTextField,
    SecretField,
    TruthField,
)

# An object with more attributes than this is easier to write as JSON.
MAX_ATTRIBUTES = 12
# In a form of more inputs than these, groups in which nothing was set are folded.
FOLDED_FROM = 30
_YES_NO = (
    ("", gettext_lazy("not set")),
    ("true", gettext_lazy("yes")),
    ("false", gettext_lazy("no")),
)


@dataclass(frozen=True)
class InputRow:
    """One variable of the form: one field, or one for each attribute of an object."""

    variable: Variable
    label: str
    help: str
    fields: tuple[forms.BoundField, ...]
    is_object: bool
    is_secret: bool
    is_set: bool
    is_default: bool

    @property
    def field(self) -> forms.BoundField:
        """Return the first field, the only one unless the variable is an object."""
        return self.fields[0]


@dataclass(frozen=True)
class InputGroup:
    """What stands under one heading."""

    title: str
    help: str
    rows: tuple[InputRow, ...]
    is_open: bool = True


def _wants_a_look(row: InputRow) -> bool:
    """Tell whether a row was set, has to be set, or was refused."""
    is_refused = any(field.errors for field in row.fields)
    return (
        is_refused or row.is_set or row.variable.required or not (row.is_default or row.is_secret)
    )


class InputsForm(forms.Form):
    """The inputs of one kind of stack, or those that an action shows.

    `values` are the plain inputs as they are stored; an input that is not there shows its
    default. `secrets_set` names the secrets that have a value. After is_valid: `changes` and
    `new_secrets` are what services.save_inputs takes.
    """

    def __init__(
        self,
        kind: Kind,
        *,
        values: Mapping[str, Any],
        secrets_set: Collection[str] = (),
        names: str | Iterable[str] = "all",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.kind = kind
        self.stored = dict(values)
        self.secrets_set = frozenset(secrets_set)
        known = {variable.name: variable for variable in kind.inputs}
        chosen = known if names == "all" else [name for name in names if name in known]
        self.variables = tuple(known[name] for name in chosen)
        for variable in self.variables:
            self._add(variable)

    # --- building ----------------------------------------------------------------------------

    def _add(self, variable: Variable) -> None:
        current = self._current(variable)
        if variable.sensitive:
            self.fields[variable.name] = self._secret(variable)
        elif _is_flat_object(variable.spec):
            for attribute in variable.spec.attributes:
                value = (current or {}).get(attribute.name)
                value = attribute.default if value is None else value
                field = _attribute_field(variable, attribute, value)
                field.initial = value
                self.fields[f"{variable.name}.{attribute.name}"] = field
        else:
            field = _field(
                variable.spec,
                label=self.kind.label(variable.name),
                help_text=help_of(variable.description),
                required=variable.required,
                choices=variable.choices,
                value=current,
                is_three_way=variable.required or variable.default is None,
            )
            field.initial = current
            self.fields[variable.name] = field

    def _current(self, variable: Variable) -> Any:
        value = self.stored.get(variable.name)
        return variable.default if value is None else value

    def _secret(self, variable: Variable) -> SecretField:
        is_set = variable.name in self.secrets_set
        rule = self.kind.secret_rules.get(variable.name)
        hint = _("set; leave empty to keep it") if is_set else _("not set")
        attrs = {"class": "form-control", "autocomplete": "new-password", "placeholder": hint}
        multiline = rule is not None and rule.multiline
        widget = forms.Textarea({**attrs, "rows": 4}) if multiline else forms.PasswordInput(attrs)
        return SecretField(
            label=self.kind.label(variable.name),
            help_text=help_of(variable.description, rule.message if rule else ""),
            required=variable.required and not is_set,
            widget=widget,
        )

    # --- showing -----------------------------------------------------------------------------

    def groups(self) -> list[InputGroup]:
        """Return the rows under the headings of the blueprint; empty groups are left out."""
        shown = {variable.name for variable in self.variables}
        result = []
        for group in self.kind.groups:
            rows = tuple(self._row(n) for n in group.variables if n in shown)
            if rows:
                is_open = len(shown) <= FOLDED_FROM or any(map(_wants_a_look, rows))
                result.append(InputGroup(group.title, group.help, rows, is_open))
        return result

    def _row(self, name: str) -> InputRow:
        variable = self.kind.variables[name]
        fields = tuple(self[field] for field in self._field_names(variable))
        return InputRow(
            variable=variable,
            label=self.kind.label(name),
            help=variable.description,
            fields=fields,
            is_object=name not in self.fields,
            is_secret=variable.sensitive,
            is_set=name in self.secrets_set,
            is_default=not variable.sensitive and self.stored.get(name) is None,
        )

    def _field_names(self, variable: Variable) -> list[str]:
        if variable.name in self.fields:
            return [variable.name]
        return [f"{variable.name}.{a.name}" for a in variable.spec.attributes]

    # --- taking ------------------------------------------------------------------------------

    def clean(self) -> dict[str, Any]:
        """Judge secrets by the blueprint's rules, and objects that are half filled in."""
        cleaned = super().clean() or self.cleaned_data
        for variable in self.variables:
            if variable.sensitive:
                value = cleaned.get(variable.name)
                if value:
                    self.refuse(blueprints.judge_secret(self.kind, variable.name, value))
            elif variable.name not in self.fields:
                self._clean_object(variable)
        return cleaned

    def _clean_object(self, variable: Variable) -> None:
        value = self._object(variable)
        for attribute in variable.spec.attributes:
            name = f"{variable.name}.{attribute.name}"
            lacks = value is not None and value.get(attribute.name) is None
            if lacks and not attribute.is_optional and not self.has_error(name):
                self.add_error(name, _("This field is required."))

    def refuse(self, problems: Mapping[str, str]) -> None:
        """Put a sentence at each variable's field; one that has none here stands above."""
        for name, message in problems.items():
            variable = self.kind.variables.get(name)
            field = None
            if variable is not None and variable in self.variables:
                field = self._field_names(variable)[0]
            self.add_error(field, message if field or not name else f"{name}: {message}")

    @property
    def changes(self) -> dict[str, Any]:
        """Return the plain inputs whose text was touched; None where the default shall hold."""
        touched = set(self.changed_data)
        result: dict[str, Any] = {}
        for variable in self.variables:
            if variable.sensitive or not touched.intersection(self._field_names(variable)):
                continue
            if variable.name in self.fields:
                result[variable.name] = _or_empty(variable, self.cleaned_data.get(variable.name))
            else:
                result[variable.name] = self._object(variable)
        return result

    @property
    def new_secrets(self) -> dict[str, str]:
        """Return the secrets that were typed in."""
        names = [variable.name for variable in self.variables if variable.sensitive]
        return {n: self.cleaned_data[n] for n in names if self.cleaned_data.get(n)}

    def _object(self, variable: Variable) -> dict[str, Any] | None:
        """Return the object as filled in: only what is stored or was touched, None if nothing."""
        stored = self._current(variable)
        result = dict(stored) if isinstance(stored, Mapping) else {}
        for attribute in variable.spec.attributes:
            name = f"{variable.name}.{attribute.name}"
            if name not in self.changed_data:
                continue
            value = self.cleaned_data.get(name)
            if value is None:
                result.pop(attribute.name, None)
            else:
                result[attribute.name] = value
        return result if result or variable.default is not None or variable.required else None


def help_of(*sentences: str) -> SafeString:
    """Return the help of a field, escaped: Django's own templates would show it as HTML."""
    return SafeString(" ".join(conditional_escape(text) for text in sentences if text))


def _is_flat_object(spec: TypeSpec) -> bool:
    return (
        spec.kind == "object"
        and 0 < len(spec.attributes) <= MAX_ATTRIBUTES
        and all(attribute.type.is_primitive for attribute in spec.attributes)
    )


def _attribute_field(variable: Variable, attribute: Attribute, value: Any) -> forms.Field:
    return _field(
        attribute.type,
        label=label_of(attribute.name),
        help_text="",
        # With all of it empty the whole object may be left out: judged in clean().
        required=variable.required and not attribute.is_optional,
        choices=attribute.choices,
        value=value,
        is_three_way=attribute.default is None,
    )


def _field(
    spec: TypeSpec,
    *,
    choices: tuple[Any, ...],
    value: Any,
    is_three_way: bool,
    **kwargs: Any,
) -> forms.Field:
    """Return the field of a type. `is_three_way`: a truth value may also be left unsaid."""
    if choices:
        return _choice_field(choices, value, **kwargs)
    if spec.kind == "bool":
        if not is_three_way:
            kwargs["required"] = False
            return forms.BooleanField(widget=_checkbox(), **kwargs)
        return TruthField(widget=forms.Select({"class": "form-select"}, choices=_YES_NO), **kwargs)
    if spec.kind == "number":
        attrs = {"class": "form-control", "step": "any", "inputmode": "decimal"}
        return NumberField(widget=forms.NumberInput(attrs), **kwargs)
    if spec.kind == "string":
        long = isinstance(value, str) and "\n" in value
        widget = _area(value) if long else forms.TextInput({"class": "form-control"})
        return PlainTextField(widget=widget, **kwargs)
    if spec.kind in ("list", "set") and LinesField.fits(spec.element, value):
        kwargs["help_text"] = help_of(kwargs["help_text"], _("One a line."))
        field = LinesField(spec.element, is_set=spec.kind == "set", widget=_area(), **kwargs)
    elif spec.kind == "map" and PairsField.fits(spec.element, value):
        kwargs["help_text"] = help_of(kwargs["help_text"], _("One a line: name = value."))
        field = PairsField(spec.element, widget=_area(), **kwargs)
    else:
        kwargs["help_text"] = help_of(kwargs["help_text"], _("Written as JSON."))
        field = JsonTextField(widget=_area(), **kwargs)
    field.widget.attrs["rows"] = min(max(field.shown(value).count("\n") + 2, 2), 12)
    return field


def _choice_field(choices: tuple[Any, ...], value: Any, **kwargs: Any) -> ChoiceTextField:
    values = {item if isinstance(item, str) else str(item): item for item in choices}
    field = ChoiceTextField(values, **kwargs)
    shown = field.shown(value)
    options = [(text, text) for text in values]
    if shown and shown not in values:
        field.values[shown] = value
        options.append((shown, _("%(value)s (no longer offered)") % {"value": shown}))
    if value is None or not kwargs.get("required"):
        options.insert(0, ("", "-" * 9 if value is None else _("(default)")))
    field.widget = forms.Select({"class": "form-select"}, choices=options)
    field.widget.is_required = field.required
    return field


def _area(value: Any = "") -> forms.Textarea:
    rows = min(max(str(value).count("\n") + 2, 2), 12)
    return forms.Textarea({"class": "form-control", "rows": rows, "spellcheck": "false"})


def _checkbox() -> forms.CheckboxInput:
    return forms.CheckboxInput({"class": "form-check-input"})


def _or_empty(variable: Variable, value: Any) -> Any:
    """Return what an emptied field means: empty where the default is not, else the default."""
    empty = {"string": "", "list": [], "set": [], "map": {}}.get(variable.spec.kind)
    if value is None and variable.default and empty is not None and not variable.choices:
        return empty
    return value
