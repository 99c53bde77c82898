"""One change over many tenants: a selection that is frozen first, then one act with one id.

The services are those of a single tenant, called once for each; a refusal of one does not stop
the others, and the page says what became of each.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from django import forms
from django.contrib import messages
from django.core import signing
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deployments import services
from deployments.filters import TenantFilter
from deployments.forms import SELECT, LabelsField, row_of, text
from deployments.links import link
from omlsaas.lib.ids import new_id
from omlsaas.lib.refusals import Refusal
from tenants import blueprints
from tenants import services as tenants_services
from tenants.access import user_can
from tenants.actors import Actor, from_request
from tenants.blueprints import Kind
from tenants.models import Release, Tenant, User

MOST = 500
TYPED_ABOVE = 10
TOKEN_AGE_S = 3600
SALT = "tenants.bulk"
OPERATIONS = [
    ("release", gettext_lazy("Choose a release")),
    ("labels", gettext_lazy("Set or remove labels")),
    ("sizes", gettext_lazy("Change sizes")),
    ("plan", gettext_lazy("Queue a plan only run")),
]


@dataclass(frozen=True)
class Selection:
    """Tenants as they were chosen: what matches later is not added."""

    ids: tuple[int, ...]
    operation_id: str
    token: str

    @classmethod
    def freeze(cls, user: User, ids: list[int]) -> "Selection":
        """Return the selection of these tenants, signed for this person."""
        operation_id = new_id("ops")
        content = {"user": user.pk, "ids": ids, "operation": operation_id}
        return cls(tuple(ids), operation_id, signing.dumps(content, salt=SALT, compress=True))

    @classmethod
    def thaw(cls, user: User, token: str) -> "Selection | None":
        """Return the selection of a token; None when it is old, changed or another's."""
        try:
            content = signing.loads(token, salt=SALT, max_age=TOKEN_AGE_S)
        except signing.BadSignature:
            return None
        if content["user"] != user.pk:
            return None
        return cls(tuple(content["ids"]), content["operation"], token)


@dataclass(frozen=True)
class Outcome:
    """What became of one tenant."""

    tenant: Tenant
    is_done: bool
    text: str
    href: str = ""


class BulkForm(forms.Form):
    """What to do with the selection, why, and its number typed when it is large."""

    operation = forms.ChoiceField(choices=OPERATIONS, widget=forms.RadioSelect)
    release = row_of(gettext_lazy("Release"), required=False)
    labels = LabelsField()
    remove = text(gettext_lazy("Remove labels"), required=False, max_length=1000,
                  help_text=gettext_lazy("Names, separated by commas."))  # fmt: skip
    reason = text(gettext_lazy("Reason"), max_length=2000)
    typed_count = forms.CharField(
        label=gettext_lazy("Number of tenants"), required=False, max_length=6,
        widget=forms.TextInput({"class": "form-control", "inputmode": "numeric",
                                "autocomplete": "off"}),
    )  # fmt: skip

    def __init__(self, *args: Any, tenants: list[Tenant], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.count = len(tenants)
        names = {tenant.blueprint for tenant in tenants}
        rows = Release.objects.living().filter(blueprint__in=names)
        self.fields["release"].queryset = rows.order_by("blueprint", "-name")
        self.kind = _kind(names)
        self.sizes = []
        for variable in self.kind.inputs if self.kind else ():
            if variable.role == "size":
                choices = [("", _("leave as it is")), *((c, c) for c in variable.choices)]
                field = forms.ChoiceField(choices=choices, required=False,
                                          widget=forms.Select(SELECT))  # fmt: skip
                if not variable.choices:
                    field = text(variable.name, required=False, max_length=64)
                field.label = self.kind.label(variable.name)
                self.fields[f"size_{variable.name}"] = field
                self.sizes.append(f"size_{variable.name}")
        if self.count <= TYPED_ABOVE:
            del self.fields["typed_count"]

    @property
    def size_fields(self) -> list[forms.BoundField]:
        """Return the fields of the sizes."""
        return [self[name] for name in self.sizes]

    def clean(self) -> dict[str, Any]:
        """Ask for what the chosen operation needs, and for the number of a large selection."""
        data = super().clean()
        if "typed_count" in self.fields and data.get("typed_count", "").strip() != str(self.count):
            words = _("Type %(count)s: so many tenants are changed.") % {"count": self.count}
            self.add_error("typed_count", words)
        chosen = data.get("operation")
        if chosen == "release" and not data.get("release"):
            self.add_error("release", _("Choose a release."))
        if chosen == "labels" and not (data.get("labels") or data.get("remove")):
            self.add_error("labels", _("Name a label to set or to remove."))
        if chosen == "sizes" and not self.wanted_sizes(data):
            self.add_error(None, _("Choose at least one size."))
        return data

    def wanted_sizes(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return the sizes that are to be set."""
        return {n.removeprefix("size_"): data[n] for n in self.sizes if data.get(n)}


def _kind(names: set[str]) -> Kind | None:
    """Return how all of the tenants are built; None when they differ or it cannot be read."""
    if len(names) != 1:
        return None
    try:
        return blueprints.load(next(iter(names))).kinds["tenant"]
    except (blueprints.BlueprintFlawed, LookupError, OSError):
        return None


def bulk(request: HttpRequest) -> HttpResponse:
    """Freeze a selection and ask what to do; with an operation, do it and say what became of it."""
    if request.method != "POST":
        return redirect("tenants")
    token = request.POST.get("selection", "")
    selection = Selection.thaw(request.user, token) if token else _chosen(request)
    if selection is None:
        messages.warning(request, _("That selection is too old. Choose the tenants again."))
        return redirect("tenants")
    related = ("region", "shared_environment", "release", "stack")
    rows = Tenant.objects.visible_to(request.user).living().filter(pk__in=selection.ids)
    tenants = list(rows.select_related(*related).order_by("name"))
    if not tenants or len(tenants) > MOST:
        words = _("Choose at least one tenant.") if not tenants else _("Choose up to %s at once.")
        messages.warning(request, words % MOST if tenants else words)
        return redirect("tenants")
    form = BulkForm(request.POST if token else None, tenants=tenants)
    context = {"section": "tenants", "selection": selection, "tenants": tenants, "form": form}
    if token and form.is_valid():
        outcomes = _carry_out(request, selection, tenants, form)
        done = sum(outcome.is_done for outcome in outcomes)
        context |= {"outcomes": outcomes, "done": done, "refused": len(outcomes) - done}
        return render(request, "deployments/bulk_done.html", context)
    return render(request, "deployments/bulk.html", context)


def _chosen(request: HttpRequest) -> Selection:
    """Freeze the ticked tenants, or all that match the list's filters."""
    rows = Tenant.objects.visible_to(request.user).living().order_by("name")
    if request.POST.get("all"):
        data = QueryDict(request.POST.get("query", ""))
        filters = TenantFilter(data, rows, request=request)
        rows = filters.qs if filters.is_valid() else rows.none()
    else:
        rows = rows.filter(public_id__in=request.POST.getlist("id"))
    return Selection.freeze(request.user, list(rows.values_list("pk", flat=True)[: MOST + 1]))


def _carry_out(
    request: HttpRequest, selection: Selection, tenants: list[Tenant], form: BulkForm
) -> list[Outcome]:
    data = form.cleaned_data
    actor = from_request(request).because(data["reason"])
    actor = replace(actor, operation_id=selection.operation_id)
    act = {"release": _release, "labels": _labels, "sizes": _sizes, "plan": _plan}
    kind_of_action = {"plan": "plan"}.get(data["operation"], "change")
    outcomes = []
    for tenant in tenants:
        if not user_can(request.user, kind_of_action, tenant):
            outcomes.append(Outcome(tenant, False, _("Your role does not cover this tenant.")))
            continue
        outcomes.append(_one(act[data["operation"]], actor, tenant, form))
    return outcomes


def _one(
    act: Callable[[Actor, Tenant, BulkForm], Outcome], actor: Actor, tenant: Tenant, form: BulkForm
) -> Outcome:
    try:
        return act(actor, tenant, form)
    except Refusal as refusal:
        return Outcome(tenant, False, str(refusal), link("tenant", tenant.public_id))
    except ValidationError as error:
        return Outcome(tenant, False, "; ".join(error.messages), link("tenant", tenant.public_id))


def _release(actor: Actor, tenant: Tenant, form: BulkForm) -> Outcome:
    before = tenant.release
    chosen = form.cleaned_data["release"]
    tenants_services.change_tenant(actor, tenant, release=chosen)
    words = _("%(before)s → %(after)s") % {"before": before or "–", "after": chosen}
    return Outcome(tenant, True, words, link("tenant", tenant.public_id))


def _labels(actor: Actor, tenant: Tenant, form: BulkForm) -> Outcome:
    data = form.cleaned_data
    gone = {name.strip() for name in data["remove"].split(",")}
    labels = {**tenant.labels, **data["labels"]}
    labels = {name: value for name, value in labels.items() if name not in gone}
    tenants_services.change_tenant(actor, tenant, labels=labels)
    shown = ", ".join(f"{k}={v}" if v else k for k, v in labels.items())
    return Outcome(tenant, True, shown or _("no labels"), link("tenant", tenant.public_id))


def _sizes(actor: Actor, tenant: Tenant, form: BulkForm) -> Outcome:
    wanted = form.wanted_sizes(form.cleaned_data)
    differs = tenants_services.save_inputs(actor, tenant.stack, wanted)
    words = ", ".join(f"{name} = {value}" for name, value in wanted.items())
    if not differs:
        words = _("had these sizes already")
    return Outcome(tenant, True, words, link("tenant", tenant.public_id))


def _plan(actor: Actor, tenant: Tenant, form: BulkForm) -> Outcome:
    kind = blueprints.load(tenant.blueprint).kinds["tenant"]
    action = next((a.name for a in kind.actions.values() if a.is_plan_only), "plan")
    run = services.queue_run(
        actor,
        tenant.stack,
        action,
        reason=actor.reason,
        request_key=f"{actor.operation_id}:{tenant.pk}",
    )
    words = _("run %(number)s: %(status)s") % {
        "number": run.number,
        "status": run.get_status_display().lower(),
    }
    return Outcome(tenant, True, words, link("run", run.public_id))
