"""Starting an action on a stack, changing its inputs and settings, and lifting suspicion."""

import uuid
from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST

from deployments import services
from deployments.errors import ParamsRefused
from deployments.forms import row_of, text
from deployments.links import link, owner_link
from deployments.models import Run
from deployments.paramsform import ParamsForm
from deployments.runstatus import OPEN
from deployments.services.foureyes import demanded, policy_to_come, words_of
from deployments.services.hosts import CONTACT
from deployments.services.points import leaves_data
from deployments.steps.kinds import KINDS
from deployments.views.backups import kept_with_points
from deployments.views.doors import attempt, find, require
from deployments.views.stacks import fits
from omlsaas.lib.refusals import Refusal
from tenants import blueprints, secrets
from tenants import services as tenants_services
from tenants.actors import from_request
from tenants.blueprints import Action, Kind
from tenants.blueprints.stepkinds import COMPARES
from tenants.effective import component_versions
from tenants.inputs import InputsForm
from tenants.models import Release, Stack

TENANTS_NAMED = 20
RELATED = ("region__account", "parent_environment", "tenant__release", "shared_environment")


class StartForm(forms.Form):
    """What is asked besides the inputs: why, the release, the stack's name for a destroy."""

    reason = text(
        gettext_lazy("Reason"), required=False, max_length=2000,
        help_text=gettext_lazy("Stands beside the run, in its history and in the audit trail."),
    )  # fmt: skip
    release = row_of(gettext_lazy("Release"), required=False)
    typed_name = text(gettext_lazy("Name in full"), required=False, max_length=64)
    request_key = forms.CharField(widget=forms.HiddenInput, max_length=64, required=False)

    def __init__(self, *args: Any, stack: Stack, action: Action, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if action.kind == "upgrade" and stack.tenant_id is not None:
            rows = Release.objects.living().filter(blueprint=stack.blueprint)
            self.fields["release"].queryset = rows.order_by("-name")
            self.fields["release"].initial = stack.tenant.release_id
        else:
            del self.fields["release"]
        if action.confirm == "name":
            self.fields["typed_name"].widget.attrs |= {"autocomplete": "off", "spellcheck": "false"}
        else:
            del self.fields["typed_name"]
        self.fields["request_key"].initial = str(uuid.uuid4())

    def refuse(self, problems: dict[str, str]) -> None:
        """Show refused inputs above the form: the action has no field for them."""
        for name, problem in problems.items():
            self.add_error(None, f"{name}: {problem}")


def find_stack(request: HttpRequest, stack_id: str) -> Stack:
    """Return a stack that the person may see, with all that its pages show."""
    return find(Stack.objects.visible_to(request.user).select_related(*RELATED), stack_id)


def kind_of(stack: Stack) -> Kind:
    """Return how the stack is built; Http404 when its blueprint is broken or gone."""
    try:
        return blueprints.load(stack.blueprint).kinds[stack.kind]
    except (blueprints.BlueprintFlawed, LookupError, OSError) as error:
        raise Http404(str(error)) from error


def inputs_form(
    stack: Stack, kind: Kind, names: str | tuple[str, ...], data: Any = None
) -> InputsForm:
    """Return the form of those inputs that no release or pin decides."""
    chosen = component_versions(stack.tenant, kind) if stack.tenant_id else {}
    wanted = [v.name for v in kind.inputs] if names == "all" else names
    return InputsForm(
        kind,
        values=stack.desired_inputs,
        secrets_set=secrets.versions(stack),
        names=[name for name in wanted if name not in chosen],
        data=data,
        prefix="in",
    )


def stack_action(request: HttpRequest, stack_id: str, action: str) -> HttpResponse:
    """Show what an action will do and ask for what it needs; POST queues it as a run."""
    stack = find_stack(request, stack_id)
    kind = kind_of(stack)
    found = kind.actions_of(stack.is_adopted).get(action)
    if found is None:
        raise Http404
    require(request, found.kind, stack)
    data = request.POST if request.method == "POST" else None
    start = StartForm(data, stack=stack, action=found)
    inputs = inputs_form(stack, kind, found.fields, data)
    params = ParamsForm(data, stack=stack, action=found, initial=_chosen(request, found))
    if data is not None and all(form.is_valid() for form in (start, inputs, params)):
        run = _queue(request, stack, found, start, inputs, params)
        if run is not None:
            return redirect(link("run", run.public_id))
    context = {
        "stack": stack,
        "owner": stack.owner,
        "back": owner_link(stack),
        "action": found,
        "start": start,
        "inputs": inputs,
        "params": params,
        "groups": inputs.groups(),
        "facts": _consequences(stack, kind, found),
        "kept": kept_with_points(request.user, stack, found),
        "is_untimely": not fits(found, stack),
        "section": "tenants" if stack.tenant_id else "environments",
    }
    return render(request, "deployments/stack_action.html", context)


def _chosen(request: HttpRequest, action: Action) -> dict[str, str]:
    """Return what a link to the action chose already, such as a restore point."""
    known = {param.name for param in action.params}
    return {name: value for name, value in request.GET.items() if name in known}


def _queue(
    request: HttpRequest,
    stack: Stack,
    action: Action,
    start: StartForm,
    inputs: InputsForm,
    params: ParamsForm,
) -> Run | None:
    """Queue the run with what was typed; None when it was refused, with the reason in a form."""
    actor, data = from_request(request), start.cleaned_data

    def act() -> Run:
        # One transaction: a refused run leaves the release and the inputs as they were.
        with transaction.atomic():
            if "release" in start.fields and data["release"] != stack.tenant.release:
                because = actor.because(data["reason"])
                tenants_services.change_tenant(because, stack.tenant, release=data["release"])
            try:
                return services.queue_run(
                    actor,
                    stack,
                    action.name,
                    reason=data["reason"],
                    request_key=data["request_key"] or None,
                    typed_name=data.get("typed_name", ""),
                    inputs=inputs.changes,
                    new_secrets=inputs.new_secrets,
                    params=params.values,
                )
            except ParamsRefused as refusal:
                params.refuse(refusal.problems)
                raise

    run = attempt(inputs if inputs.fields else start, act)
    if run is None:
        # The database went back to what it was; what was read before may be ahead of it.
        stack.refresh_from_db()
        if stack.tenant_id:
            stack.tenant.refresh_from_db(fields=["release"])
    return run


def _consequences(stack: Stack, kind: Kind, action: Action) -> list[tuple[str, str, str]]:
    """Return what will happen in words, as (tone, icon, sentence)."""
    said: list[tuple[str, str, str]] = []
    if action.is_plan_only:
        said.append(("ok", "eye", _only_looks(action)))
    elif not action.uses_engine:
        said += _steps_alone(action)
    elif action.confirm == "name":
        count = stack.resource_count
        words = _("All %(count)s resources of %(name)s are removed. This cannot be undone.")
        said.append(("bad", "trash", words % {"count": count, "name": stack.name}))
        if kind.holds_data:
            words = _("Data goes with them: %(what)s.") % {"what": ", ".join(kind.holds_data)}
            said.append(("bad", "database-x", words))
    said += _data_stays(action)
    if action.uses_engine and not action.is_plan_only:
        if stack.kind == "shared":
            said += _tenants_on(stack)
        if stack.is_auto_apply and action.auto_apply_allowed:
            words = _("The plan is applied by itself, unless it destroys or replaces something.")
            said.append(("wait", "player-play", words))
        else:
            words = _("You read the plan first: nothing happens until somebody confirms it.")
            said.append(("run", "hand-stop", words))
    said += _second_person(stack, action)
    refusal = services.obstacle(stack, action)
    if refusal is not None:
        tone, icon = ("lost", "alert-octagon") if stack.state_suspect else ("bad", "ban")
        said.insert(0, (tone, icon, str(refusal)))
    holder = Run.objects.filter(stack=stack, status__in=OPEN).order_by("id").first()
    if holder is not None:
        words = _("Run %(number)s (%(status)s) holds %(name)s: this one waits until it has ended.")
        facts = {"number": holder.number, "status": holder.get_status_display().lower()}
        said.append(("wait", "hourglass", words % (facts | {"name": stack.name})))
    return said


def _data_stays(action: Action) -> list[tuple[str, str, str]]:
    """Return that an action goes back without the data; nothing for any other."""
    if not leaves_data(action):
        return []
    words = _("The data stays as it is: what a newer version did to it is not undone.")
    return [("wait", "database", words)]


def _only_looks(action: Action) -> str:
    """Return what an action does that changes nothing."""
    if action.uses_engine:
        return _("Nothing is changed: Terraform only compares and reports.")
    kinds = {step.kind for step in action.steps}
    if CONTACT in kinds:
        return _("Nothing is changed: each host is asked for its own key, and for nothing else.")
    if kinds.intersection(COMPARES):
        return _("Nothing is changed: Ansible only compares the hosts and reports.")
    return _("Nothing is changed: the hosts are only asked.")


def _second_person(stack: Stack, action: Action) -> list[tuple[str, str, str]]:
    """Return that the action needs a second person, whatever its plan says; nothing when not."""
    run = Run(
        stack=stack,
        action_kind=action.kind,
        steps_wanted=[{"kind": step.kind} for step in action.steps],
        is_plan_only=action.is_plan_only,
        point={} if action.returns_to_point else None,
    )
    if not (needed := demanded(run)):
        return []
    words = _("Somebody else has to approve it before it is done (%s).") % words_of(needed)
    said = [("wait", "users", words)]
    if (coming := policy_to_come()) is not None:
        when = f"{coming.takes_effect_at:%Y-%m-%d %H:%M} UTC"
        words = _("What needs somebody else changes at %(when)s, as %(by)s asked: see Approvals.")
        said.append(("wait", "clock", words % {"when": when, "by": coming.actor_name}))
    return said


def _steps_alone(action: Action) -> list[tuple[str, str, str]]:
    """Return what an action without Terraform does, from its steps."""
    known = [KINDS[step.kind] for step in action.steps if step.kind in KINDS]
    names = list(dict.fromkeys(str(piece.title) for kind in known for piece in kind.pieces))
    risky = {kind.risk for kind in known}
    tone = "bad" if "destroys" in risky else "wait" if risky - {"none"} else "ok"
    said = [(tone, "list-check", _("%s.") % ", ".join(names))]
    if any(kind.look for kind in known):
        words = _("You see first what it would do: nothing happens until somebody confirms it.")
        said.append(("run", "hand-stop", words))
    return said


def _tenants_on(stack: Stack) -> list[tuple[str, str, str]]:
    """Return which tenants a change of their shared environment reaches."""
    rows = Stack.objects.filter(parent_environment_id=stack.parent_environment_id, kind="tenant")
    names = list(rows.filter(resource_count__gt=0).order_by("name").values_list("name", flat=True))
    if not names:
        return []
    words = ngettext(
        "%(n)s tenant stands on it: %(names)s.", "%(n)s tenants stand on it: %(names)s.", len(names)
    )
    shown = ", ".join(names[:TENANTS_NAMED])
    if len(names) > TENANTS_NAMED:
        shown += _(" and %s more") % (len(names) - TENANTS_NAMED)
    return [("wait", "users", words % {"n": len(names), "names": shown})]


def stack_inputs(request: HttpRequest, stack_id: str) -> HttpResponse:
    """Change desired inputs without starting anything: a draft until the next change."""
    stack = find_stack(request, stack_id)
    require(request, "change", stack)
    kind = kind_of(stack)
    data = request.POST if request.method == "POST" else None
    form = inputs_form(stack, kind, "all", data)
    if data is not None and form.is_valid():
        actor = from_request(request)
        done = attempt(
            form,
            lambda: tenants_services.save_inputs(actor, stack, form.changes, form.new_secrets),
        )
        if done is not None:
            if done:
                messages.success(request, _("Saved. It takes effect with the next change."))
            return redirect(owner_link(stack))
    context = {
        "stack": stack,
        "owner": stack.owner,
        "back": owner_link(stack),
        "inputs": form,
        "groups": form.groups(),
        "section": "tenants" if stack.tenant_id else "environments",
    }
    return render(request, "deployments/stack_inputs.html", context)


@require_POST
def stack_settings(request: HttpRequest, stack_id: str) -> HttpResponse:
    """Change whether plans of the stack are applied without a person's yes."""
    stack = find_stack(request, stack_id)
    require(request, "admin", stack)
    wanted = {
        "is_auto_apply": request.POST.get("is_auto_apply") == "on",
        "is_auto_destroy": request.POST.get("is_auto_destroy") == "on",
    }
    try:
        tenants_services.change_stack_settings(from_request(request), stack, **wanted)
        messages.success(request, _("Settings saved."))
    except Refusal as refusal:
        messages.error(request, str(refusal))
    return redirect(owner_link(stack))


@require_POST
def stack_review(request: HttpRequest, stack_id: str) -> HttpResponse:
    """Lift the suspect mark: a plan-only run was looked at, and somebody says so."""
    stack = find_stack(request, stack_id)
    require(request, "change", stack)
    comment = request.POST.get("comment", "")
    try:
        services.review_stack(from_request(request), stack, comment=comment)
        messages.success(request, _("%s is no longer suspect.") % stack.name)
    except Refusal as refusal:
        messages.error(request, str(refusal))
    return redirect(owner_link(stack))


@require_POST
def stack_output(request: HttpRequest, stack_id: str, name: str) -> HttpResponse:
    """Show one sensitive output to somebody who may see secrets; the audit trail keeps who."""
    stack = find_stack(request, stack_id)
    require(request, "secrets", stack)
    value = services.show_output(from_request(request), stack, name)
    if value is None:
        raise Http404
    context = {
        "stack": stack,
        "owner": stack.owner,
        "back": owner_link(stack),
        "name": name,
        "value": value,
        "section": "tenants" if stack.tenant_id else "environments",
    }
    response = render(request, "deployments/secret.html", context)
    response["Cache-Control"] = "no-store"
    return response


def stack_redirect(request: HttpRequest, stack_id: str) -> HttpResponse:
    """Lead to the page of the stack's tenant or shared environment."""
    return redirect(owner_link(find_stack(request, stack_id)))
