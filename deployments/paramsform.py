"""The form of what an action asks for one run."""

from typing import Any

from django import forms
from django.utils.translation import gettext as _

from deployments.services.params import choices_of
from tenants.blueprints import Action, Param
from tenants.models import Stack

CONTROL = {"class": "form-control"}
SELECT = {"class": "form-select"}
MAX_TEXT = 1000


class ParamsForm(forms.Form):
    """One field for each parameter; the service checks the values, whatever door they come by."""

    def __init__(self, *args: Any, stack: Stack, action: Action, **kwargs: Any) -> None:
        super().__init__(*args, prefix="p", **kwargs)
        for param in action.params:
            self.fields[param.name] = _field(stack, param)

    @property
    def values(self) -> dict[str, Any]:
        """Return what was chosen, without what was left empty."""
        return {name: value for name, value in self.cleaned_data.items() if value not in ("", None)}

    def refuse(self, problems: dict[str, str]) -> None:
        """Show a sentence at each field; above the form for what has none."""
        for name, problem in problems.items():
            self.add_error(name if name in self.fields else None, problem)


def _field(stack: Stack, param: Param) -> forms.Field:
    more = {"label": param.label, "help_text": param.help, "initial": param.default}
    if param.type == "bool":
        box = forms.CheckboxInput({"class": "form-check-input"})
        return forms.BooleanField(required=False, widget=box, **more)
    if param.type == "choice":
        found = choices_of(stack, param)
        if not found:
            more["help_text"] = f"{param.help} {_('There is nothing to choose from yet.')}".strip()
        choices = found if param.required else [("", "–"), *found]
        widget = forms.Select(SELECT)
        return forms.ChoiceField(required=param.required, choices=choices, widget=widget, **more)
    widget = forms.NumberInput({**CONTROL, "step": "any"})
    if param.type == "number":
        return forms.FloatField(required=param.required, widget=widget, **more)
    widget = forms.TextInput(CONTROL)
    return forms.CharField(required=param.required, max_length=MAX_TEXT, widget=widget, **more)
