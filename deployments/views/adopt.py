"""Taking a tenant over from the files of the deployer before this one."""

from typing import Any

from django import forms
from django.core.files.uploadhandler import MemoryFileUploadHandler
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from deployments.forms import CONTROL, one_of, row_of, text
from deployments.links import link
from deployments.views.doors import attempt, may_anywhere, require
from tenants import adoption, audit, blueprints, services
from tenants.actors import from_request
from tenants.adoption import MAX_UPLOAD_BYTES, OldFile, Preview
from tenants.models import Region, SharedEnvironment, Tenant, User


def _file(label: Any, **more: Any) -> forms.FileField:
    widget = forms.ClearableFileInput(CONTROL)
    return forms.FileField(label=label, widget=widget, required=False, **more)


class AdoptForm(forms.Form):
    """Where the tenant stands, and its two files; or the preview of them, to be kept."""

    blueprint = one_of(gettext_lazy("Blueprint"), ())
    region = row_of(gettext_lazy("Region"))
    shared_environment = row_of(gettext_lazy("Shared environment"))
    title = text(gettext_lazy("Customer"), max_length=200, required=False)
    values_file = _file(gettext_lazy("Its variables (.auto.tfvars)"))
    state_file = _file(
        gettext_lazy("Its state"),
        help_text=gettext_lazy("As “terraform state pull” prints it. Neither file is kept."),
    )
    packed = forms.CharField(widget=forms.HiddenInput, required=False, max_length=1_000_000)

    def __init__(self, *args: Any, user: User, is_too_large: bool = False, **kw: Any) -> None:
        super().__init__(*args, **kw)
        self.user, self.is_too_large = user, is_too_large
        self.fields["blueprint"].choices = adoptable()
        regions = Region.objects.visible_to(user).living().select_related("account")
        self.fields["region"].queryset = regions.order_by("slug")
        environments = SharedEnvironment.objects.visible_to(user).living().order_by("name")
        self.fields["shared_environment"].queryset = environments

    def clean(self) -> dict[str, Any]:
        """Ask for both files, unless a preview of them comes back."""
        data = super().clean()
        if self.is_too_large:
            limit = MAX_UPLOAD_BYTES // 1024
            text = _("Over %s KiB in all: take it over with “manage.py adopt” instead.") % limit
            raise forms.ValidationError(text)
        for name in ("values_file", "state_file"):
            if not data.get("packed") and not data.get(name):
                self.add_error(name, _("Give this file."))
        return data

    def bound_to(self) -> str:
        """Return whose preview it is, and of which place."""
        data = self.cleaned_data
        places = (data["region"], data["shared_environment"])
        return adoption.bound_to(self.user, data["blueprint"], *places)


def adoptable() -> list[tuple[str, str]]:
    """Return the blueprints that say how to take a tenant over."""
    found = [b for b in blueprints.all_blueprints() if "tenant" in b.kinds]
    return [(b.name, b.title) for b in found if b.kinds["tenant"].adoption is not None]


# The handlers must be set before anything reads the form, also the check of its token.
@csrf_exempt
def tenant_adopt(request: HttpRequest) -> HttpResponse:
    """Show what two uploaded files would bring, then keep it; neither touches a disk."""
    request.upload_handlers = [MemoryFileUploadHandler(request)]
    return _tenant_adopt(request)


@csrf_protect
def _tenant_adopt(request: HttpRequest) -> HttpResponse:
    if not may_anywhere(request.user, "change"):
        require(request, "change", None)
    is_too_large = int(request.META.get("CONTENT_LENGTH") or 0) > MAX_UPLOAD_BYTES
    form = AdoptForm(
        request.POST or None,
        request.FILES or None,
        user=request.user,
        is_too_large=is_too_large,
        initial=request.GET.dict(),
    )
    context: dict[str, Any] = {"form": form, "section": "tenants"}
    if request.method == "POST" and form.is_valid():
        require(request, "change", form.cleaned_data["region"])
        if form.cleaned_data["packed"]:
            tenant = attempt(form, lambda: _keep(request, form))
            if tenant is not None:
                return redirect(link("tenant", tenant.public_id))
        else:
            preview = attempt(form, lambda: _preview(form))
            if preview is not None:
                audit.took(
                    from_request(request), "adoption preview", form.cleaned_data["region"],
                    tenant=preview.name,
                )  # fmt: skip
                context["preview"] = preview
                context["packed"] = adoption.pack(preview, form.bound_to())
                context["sent"] = {
                    name: request.POST.get(name, "")
                    for name in ("blueprint", "region", "shared_environment", "title")
                }
    return render(request, "deployments/tenant_adopt.html", context)


def _preview(form: AdoptForm) -> Preview:
    data = form.cleaned_data
    kind = services.blueprint_kind(data["blueprint"], "tenant")
    files = [OldFile(data[name].name, data[name].read()) for name in ("values_file", "state_file")]
    return adoption.preview_tenant(kind, data["region"], data["shared_environment"], *files)


def _keep(request: HttpRequest, form: AdoptForm) -> Tenant:
    data = form.cleaned_data
    return adoption.adopt_tenant(
        from_request(request),
        adoption.unpack(data["packed"], form.bound_to()),
        region=data["region"],
        blueprint=data["blueprint"],
        shared_environment=data["shared_environment"],
        title=data["title"],
    )
