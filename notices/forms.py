"""Forms of channels and subscriptions."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from deployments.forms import CONTROL, one_of, row_of, text
from notices.events import RUN_EVENTS, SALIENT, STACK_EVENTS, STEP_EVENTS
from notices.models import Channel, ChannelKind
from tenants.models import Region, SharedEnvironment, Stack, Tenant, User

CHECKS = {"class": "form-check-input"}
SCOPE_KINDS = (
    ("tenant", Tenant),
    ("environment", SharedEnvironment),
    ("region", Region),
)


class AddressInput(forms.TextInput):
    """An address that is a secret: what was typed never comes back in a page."""

    def format_value(self, value: Any) -> str:
        """Return nothing."""
        return ""


def address(**more: Any) -> forms.CharField:
    """Return the field of a receiver's address."""
    widget = AddressInput({**CONTROL, "autocomplete": "off", "inputmode": "url"})
    return forms.CharField(label=_("Address"), max_length=2000, widget=widget, **more)


class ChannelForm(forms.Form):
    """A channel: what stands at its other end, and where."""

    name = text(_("Name"), max_length=64)
    kind = one_of(_("Kind"), ChannelKind.choices)
    url = address(
        required=False,
        help_text=_("Of the receiver or of the chat's incoming webhook. Kept encrypted."),
    )
    follows_redirects = forms.BooleanField(
        label=_("Follow redirects (307 and 308, at most three)"),
        required=False,
        widget=forms.CheckboxInput(CHECKS),
    )
    region = row_of(
        _("Region of the table"), required=False, help_text=_("Its account writes the table.")
    )
    table_name = text(
        _("Table"), max_length=255, required=False,
        help_text=_("An existing DynamoDB table with the key id (text)."),
    )  # fmt: skip

    def __init__(self, *args: Any, channel: Channel | None = None, **kwargs: Any) -> None:
        if channel is not None:
            names = ("name", "follows_redirects", "region", "table_name")
            kwargs["initial"] = {name: getattr(channel, name) for name in names}
        super().__init__(*args, **kwargs)
        self._channel = channel
        self.fields["region"].queryset = (
            Region.objects.living().filter(account__provider="aws").order_by("slug")
        )
        if channel is None:
            return
        del self.fields["kind"]
        unused = ("url", "follows_redirects") if channel.is_table else ("region", "table_name")
        for name in unused:
            del self.fields[name]
        if "url" in self.fields:
            self.fields["url"].help_text = _("There is one. It is never shown; empty keeps it.")

    def clean(self) -> dict[str, Any]:
        """Ask for what the kind needs."""
        data = super().clean()
        kind = self._channel.kind if self._channel else data.get("kind")
        needs = ("region", "table_name") if kind == ChannelKind.STATUS_TABLE else ("url",)
        for name in needs:
            has_one = name == "url" and self._channel is not None
            if name in self.fields and not data.get(name) and not has_one:
                self.add_error(name, _("This kind of channel needs it."))
        return data


def event_choices(*, with_steps: bool) -> list[tuple[Any, list[tuple[str, Any]]]]:
    """Return the events to choose from, in groups."""
    groups = [
        (_("Runs"), list(RUN_EVENTS.items())),
        (_("Stacks and approvals"), list(STACK_EVENTS.items())),
    ]
    return [*groups, (_("Steps"), list(STEP_EVENTS.items()))] if with_steps else groups


class SubscriptionForm(forms.Form):
    """What somebody listens to, and over what."""

    over = one_of(_("Over"), ())
    events = forms.MultipleChoiceField(
        label=_("Events"), initial=SALIENT, widget=forms.CheckboxSelectMultiple(CHECKS)
    )
    by_email = forms.BooleanField(
        label=_("By e-mail, too"), required=False, widget=forms.CheckboxInput(CHECKS)
    )

    MOST = 500

    def __init__(self, *args: Any, user: User, channel: Channel | None = None, **kw: Any) -> None:
        super().__init__(*args, **kw)
        self._user = user
        choices: list[Any] = [("everything", _("Everything"))]
        if channel is None:
            choices.insert(0, ("own", _("My own runs")))
        else:
            del self.fields["by_email"]
        for kind, model in SCOPE_KINDS:
            rows = model.objects.visible_to(user).living()
            named = [
                (f"{kind}:{row.public_id}", str(row)) for row in rows.order_by("pk")[: self.MOST]
            ]
            if named:
                choices.append((model._meta.verbose_name_plural, named))
        self.fields["over"].choices = choices
        if channel is not None and channel.is_table:
            del self.fields["events"]
        else:
            self.fields["events"].choices = event_choices(with_steps=channel is not None)

    def event_groups(self) -> list[tuple[Any, list[dict[str, Any]]]]:
        """Return the events in groups, each with its name in the form and whether it is on."""
        bound = self["events"]
        on = {str(value) for value in bound.value() or ()}

        def option(event: str, label: Any) -> dict[str, Any]:
            name = bound.html_name
            return {"name": name, "value": event, "label": label, "selected": event in on}

        groups = self.fields["events"].choices
        return [(group, [option(*one) for one in events]) for group, events in groups]

    def chosen(self) -> dict[str, Any]:
        """Return what the service takes: `events`, `over`, `by_email`, `is_own`."""
        data = self.cleaned_data
        kind, _sign, public_id = data["over"].partition(":")
        model = dict(SCOPE_KINDS).get(kind)
        over: Stack | Any = None
        if model is not None:
            over = model.objects.visible_to(self._user).get(public_id=public_id)
        return {
            "events": data.get("events", ()),
            "over": over,
            "by_email": data.get("by_email", False),
            "is_own": kind == "own",
        }
