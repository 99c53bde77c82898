"""Worker hosts: draining and gone; maintenance: on and off."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deployments import services
from deployments.models import Maintenance, WorkerHost
from omlsaas.lib.refusals import Refusal
from tenants.actors import Actor, from_request
from tenants.admin.archiving import ReasonForm
from tenants.admin.columns import pretty, stamp
from tenants.admin.doors import PortalAdmin, PortalForm


@admin.register(WorkerHost)
class WorkerHostAdmin(PortalAdmin):
    """Hosts make their own rows; a person drains them or declares them gone."""

    may_change = True
    list_display = ("name", "version", "capacity",
                    stamp("heartbeat_at", gettext_lazy("last heard")), "is_draining",
                    stamp("gone_at", gettext_lazy("declared gone")))  # fmt: skip
    list_filter = ("is_draining", ("gone_at", admin.EmptyFieldListFilter))
    search_fields = ("name", "host_id")
    ordering = ("name", "pk")
    actions = ("declare_gone",)
    readonly_fields = (
        "name", "host_id", "version", "capacity",
        stamp("started_at", gettext_lazy("started")),
        stamp("heartbeat_at", gettext_lazy("last heard")),
        stamp("gone_at", gettext_lazy("declared gone")), "gone_by", "gone_reason",
        pretty("checks", gettext_lazy("what it sees of itself")),
    )  # fmt: skip
    fields = ("is_draining", "reason", *readonly_fields)

    def change(self, actor: Actor, obj: WorkerHost, data: dict[str, Any]) -> WorkerHost:
        """Let it finish what it has and take nothing new, or take it back."""
        if "is_draining" in data:
            row = WorkerHost.objects.get(pk=obj.pk)
            services.set_draining(actor, row, data["is_draining"])
        return obj

    @admin.action(description=gettext_lazy("Declare gone…"))
    def declare_gone(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
        """Ask why, then give the runs of silent hosts up as lost."""
        form = ReasonForm(request.POST if "gone" in request.POST else None)
        if form.is_valid():
            actor = from_request(request, origin="admin")
            for host in queryset:
                self._declare(request, actor, host, form.cleaned_data["reason"])
            return None
        context = {
            **self.admin_site.each_context(request),
            "title": _("Declare worker hosts gone"),
            "opts": self.opts,
            "rows": list(queryset),
            "form": form,
            "action_checkbox_name": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/declare_gone.html", context)

    def _declare(self, request: HttpRequest, actor: Actor, host: WorkerHost, reason: str) -> None:
        try:
            lost = services.declare_host_gone(actor, host, reason)
        except Refusal as refusal:
            messages.error(request, str(refusal))
            return
        words = {"host": host, "count": lost}
        messages.warning(request, _("%(host)s is gone; runs lost by that: %(count)s.") % words)


class MaintenanceForm(PortalForm):
    """Why nothing new starts, and until when."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=500,
        widget=forms.TextInput({"class": "vTextField"}),
        help_text=gettext_lazy("Everybody reads it in the banner."),
    )


@admin.register(Maintenance)
class MaintenanceAdmin(PortalAdmin):
    """While one is in force, nothing new starts; work in progress goes on."""

    form = MaintenanceForm
    may_add = True
    name_field = "reason"
    actions = ("end_maintenance",)
    list_display = ("reason", "by", "in_force", stamp("created_at", gettext_lazy("since")),
                    stamp("expires_at", gettext_lazy("until")),
                    stamp("ended_at", gettext_lazy("ended")))  # fmt: skip
    list_filter = (("ended_at", admin.EmptyFieldListFilter),)
    ordering = ("-id",)
    fields = ("reason", "expires_at")

    @admin.display(description=gettext_lazy("in force"), boolean=True)
    def in_force(self, row: Maintenance) -> bool:
        """Tell whether it holds runs back now."""
        return row.ended_at is None and (row.expires_at is None or row.expires_at > timezone.now())

    def create(self, actor: Actor, data: dict[str, Any]) -> Maintenance:
        """Pause the fleet."""
        services.set_maintenance(actor, reason=actor.reason, expires_at=data["expires_at"])
        return Maintenance.objects.order_by("-id")[0]

    @admin.action(description=gettext_lazy("End maintenance"))
    def end_maintenance(self, request: HttpRequest, queryset: QuerySet) -> None:
        """Let the fleet go on: everything that is in force ends."""
        services.set_maintenance(from_request(request, origin="admin"), reason="", on=False)
        messages.success(request, _("Maintenance has ended: waiting runs start by themselves."))
