"""Forms of what the portal itself keeps. Inputs of stacks: tenants/inputs.py."""

import zoneinfo
from typing import Any

from allauth.account.adapter import get_adapter
from django import forms
from django.contrib.auth.forms import PasswordChangeForm
from django.utils.translation import gettext_lazy as _

from tenants import blueprints
from tenants.models import CloudAccount, Region, Release, SharedEnvironment, Tenant, User
from tenants.models.accounts import StateBackend

CONTROL = {"class": "form-control"}
SELECT = {"class": "form-select"}


def zones() -> list[tuple[str, str]]:
    """Return the time zones to choose from."""
    return [(name, name) for name in sorted(zoneinfo.available_timezones()) if "/" in name] + [
        ("UTC", "UTC")
    ]


def blueprint_choices(kind: str) -> list[tuple[str, str]]:
    """Return the blueprints that have this kind of stack."""
    return [(b.name, b.title) for b in blueprints.all_blueprints() if kind in b.kinds]


def text(label: Any, *, rows: int = 0, required: bool = True, **more: Any) -> forms.CharField:
    """Return a text field in the portal's look; `rows` makes it an area."""
    widget = forms.Textarea({**CONTROL, "rows": rows}) if rows else forms.TextInput(CONTROL)
    return forms.CharField(label=label, widget=widget, required=required, **more)


def one_of(label: Any, choices: Any, **more: Any) -> forms.ChoiceField:
    """Return a choice field in the portal's look."""
    return forms.ChoiceField(label=label, choices=choices, widget=forms.Select(SELECT), **more)


def row_of(label: Any, **more: Any) -> forms.ModelChoiceField:
    """Return a choice among rows; the form sets the rows that the person may see."""
    more.setdefault("empty_label", _("choose…") if more.get("required", True) else _("none"))
    return forms.ModelChoiceField(label=label, queryset=None, widget=forms.Select(SELECT), **more)


class LabelsField(forms.CharField):
    """Labels as text, `name=value` one a line or separated by commas; gives a mapping."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("label", _("Labels"))
        kwargs.setdefault("help_text", _("One a line: name=value, such as tier=gold."))
        kwargs.setdefault("widget", forms.Textarea({**CONTROL, "rows": 2}))
        super().__init__(required=False, max_length=4000, **kwargs)

    def prepare_value(self, value: Any) -> Any:
        """Return the text that stands for a mapping."""
        if isinstance(value, dict):
            return "\n".join(f"{key}={item}" for key, item in value.items())
        return value

    def to_python(self, value: Any) -> dict[str, str]:
        """Return the mapping; a label without a value has an empty one."""
        if isinstance(value, dict):
            return value
        found: dict[str, str] = {}
        for part in (value or "").replace(",", "\n").splitlines():
            key, _sign, item = part.partition("=")
            if key.strip():
                found[key.strip()] = item.strip()
            elif item.strip():
                raise forms.ValidationError(_("Write each label as name=value."))
        return found

    def validate(self, value: Any) -> None:
        """Accept any mapping, the empty one as well."""

    def run_validators(self, value: Any) -> None:
        """Do nothing: lengths are those of the column."""


class ReasonForm(forms.Form):
    """A form whose act is kept with a reason."""

    reason = text(_("Reason"), required=False, max_length=2000,
                  help_text=_("Kept in the audit trail beside the change."))  # fmt: skip


class NewTenantForm(forms.Form):
    """A new tenant."""

    name = text(_("Name"), max_length=64, help_text=_("Part of its addresses; it never changes."))
    title = text(_("Customer"), max_length=200, required=False)
    blueprint = one_of(_("Blueprint"), ())
    region = row_of(_("Region"))
    shared_environment = row_of(_("Shared environment"), required=False)
    release = row_of(_("Release"), required=False)
    time_zone = one_of(_("Time zone"), zones, initial="UTC")
    labels = LabelsField()

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["blueprint"].choices = blueprint_choices("tenant")
        self.fields["region"].queryset = Region.objects.visible_to(user).living().order_by("slug")
        environments = SharedEnvironment.objects.visible_to(user).living().order_by("name")
        self.fields["shared_environment"].queryset = environments
        releases = self.fields["release"]
        releases.queryset = Release.objects.living().order_by("blueprint", "-name")
        # Two blueprints may have a release of the same name.
        releases.label_from_instance = lambda release: f"{release.name} ({release.blueprint})"

    def clean(self) -> dict[str, Any]:
        """Let the region follow from the shared environment when only that was chosen."""
        data = super().clean()
        if "region" not in data and data.get("shared_environment"):
            data["region"] = data["shared_environment"].region
            self.errors.pop("region", None)
        return data


class TenantForm(ReasonForm):
    """What may change on a tenant besides its inputs."""

    title = text(_("Customer"), max_length=200, required=False)
    release = row_of(_("Release"), required=False,
                     help_text=_("Takes effect with the next change or upgrade."))  # fmt: skip
    time_zone = one_of(_("Time zone"), zones)
    labels = LabelsField()
    notes = text(_("Notes"), rows=3, required=False, max_length=10_000)
    field_order = ("title", "release", "time_zone", "labels", "notes", "reason")

    def __init__(self, *args: Any, tenant: Tenant, **kwargs: Any) -> None:
        now = {name: getattr(tenant, name) for name in ("title", "time_zone", "labels", "notes")}
        now["release"] = tenant.release_id
        super().__init__(*args, initial=now, **kwargs)
        releases = Release.objects.living().filter(blueprint=tenant.blueprint)
        self.fields["release"].queryset = releases.order_by("-name")


class NewEnvironmentForm(forms.Form):
    """A new shared environment."""

    name = text(_("Name"), max_length=64, help_text=_("It never changes."))
    title = text(_("Title"), max_length=200, required=False)
    blueprint = one_of(_("Blueprint"), ())
    region = row_of(_("Region"))
    labels = LabelsField()

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["blueprint"].choices = blueprint_choices("shared")
        self.fields["region"].queryset = Region.objects.visible_to(user).living().order_by("slug")


class RegionForm(forms.Form):
    """A region; its account and its name are given once."""

    account = row_of(_("Cloud account"))
    slug = text(_("Name"), max_length=32, help_text=_("Such as sa-east-1. It never changes."))
    title = text(_("Place"), max_length=100, required=False)
    code = text(_("Provider's region"), max_length=32, required=False,
                help_text=_("Such as us-east-2; empty for own hosts and the lab."))  # fmt: skip
    domain_name = text(_("Domain name"), max_length=200, required=False)
    hosted_zone = text(_("Hosted zone"), max_length=64, required=False)
    owner_prefix = text(_("Owner prefix"), max_length=16, required=False)
    time_zone = one_of(_("Time zone"), zones, initial="UTC")
    state_backend = one_of(_("State backend"), StateBackend.choices)
    backend_config = LabelsField(
        label=_("Backend settings"),
        help_text=_("Of an S3 bucket: bucket=name, dynamodb_table=name. Empty: a bucket is made."),
    )
    conn_str = text(
        _("Address of the database of states"), max_length=2000, required=False,
        help_text=_("Only for states in PostgreSQL. It is never shown again; empty keeps it."),
    )  # fmt: skip
    instances_remote = text(
        _("Instances repository"), max_length=300, required=False,
        help_text=_("Git remote that gets the inputs of each stack after an apply."),
    )  # fmt: skip
    endpoint_url = text(
        _("API address"), max_length=200, required=False,
        help_text=_("Only where it is not the provider's own, such as a local simulation."),
    )  # fmt: skip
    max_runs = forms.IntegerField(
        label=_("Runs at once"), min_value=1, max_value=1000, initial=32,
        widget=forms.NumberInput(CONTROL),
    )  # fmt: skip
    ONCE = ("account", "slug", "state_backend")
    LATER = ("title", "code", "domain_name", "hosted_zone", "owner_prefix", "time_zone",
             "backend_config", "instances_remote", "endpoint_url", "max_runs")  # fmt: skip

    def __init__(self, *args: Any, region: Region | None = None, **kwargs: Any) -> None:
        if region is not None:
            kwargs["initial"] = {name: getattr(region, name) for name in self.LATER}
        super().__init__(*args, **kwargs)
        secret = self.fields["conn_str"]
        secret.widget = forms.PasswordInput({**CONTROL, "autocomplete": "off"})
        if region is not None:
            for name in self.ONCE:
                del self.fields[name]
        else:
            self.fields["account"].queryset = CloudAccount.objects.living().order_by("name")


class ReleaseForm(forms.Form):
    """A new release: a name and the versions of its components."""

    blueprint = one_of(_("Blueprint"), ())
    name = text(_("Name"), max_length=64, help_text=_("Such as 1.24.2."))
    components = LabelsField(
        label=_("Versions"),
        help_text=_("One a line: component=version, such as app=2.5.0."),
        widget=forms.Textarea({**CONTROL, "rows": 6, "spellcheck": "false"}),
    )
    notes = text(_("Notes"), rows=3, required=False, max_length=10_000)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["blueprint"].choices = blueprint_choices("tenant")

    def clean(self) -> dict[str, Any]:
        """Refuse components that are no version variables of the blueprint."""
        data = super().clean()
        if "blueprint" in data and "components" in data:
            known = blueprints.load(data["blueprint"]).kinds["tenant"].versions
            unknown = sorted(set(data["components"]) - set(known))
            if unknown:
                words = {"unknown": ", ".join(unknown), "known": ", ".join(sorted(known))}
                self.add_error(
                    "components", _("Not known: %(unknown)s. There are: %(known)s.") % words
                )
            elif not data["components"]:
                self.add_error("components", _("Name at least one version."))
        return data


class ArchiveForm(forms.Form):
    """Why something is archived."""

    reason = text(_("Reason"), max_length=500,
                  help_text=_("Kept in the audit trail and shown on its page."))  # fmt: skip


class ProfileForm(forms.Form):
    """A person's own name, address and time zone."""

    first_name = text(_("First name"), max_length=150, required=False)
    last_name = text(_("Last name"), max_length=150, required=False)
    email = forms.EmailField(label=_("E-mail address"), required=False,
                             widget=forms.EmailInput(CONTROL))  # fmt: skip
    time_zone = one_of(_("Time zone"), zones, help_text=_("All times are shown in it."))


class OwnPasswordForm(PasswordChangeForm):
    """The person's own new password, with the old one."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs["class"] = "form-control"
            field.widget.attrs.pop("autofocus", None)

    def clean_old_password(self) -> str:
        """Check the old password as the sign-in does: a wrong one counts for the lock-out."""
        old = self.cleaned_data["old_password"]
        if not get_adapter().reauthenticate(self.user, old):
            raise forms.ValidationError(
                self.error_messages["password_incorrect"], code="password_incorrect"
            )
        return old
