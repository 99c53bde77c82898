"""The audit trail: who did what, to what, why. Rows stand on their own."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from tenants.models.archive import public_id
from tenants.querysets import RegionScoped


class AuditQuerySet(RegionScoped):
    """Audit entries, as far as somebody may see them."""

    scope_paths = {
        "region": "region_id",
        "shared_environment": "shared_environment_id",
        "tenant": "tenant_id",
    }


class AuditEntry(models.Model):
    """One act. No foreign keys: what it names may be renamed or archived, the entry stays true."""

    public_id = public_id("aud")
    created_at = models.DateTimeField(_("when"), auto_now_add=True)
    action = models.CharField(_("action"), max_length=64)
    actor_kind = models.CharField(_("actor kind"), max_length=16)
    actor_id = models.CharField(_("actor id"), max_length=64, blank=True)
    actor_name = models.CharField(_("actor"), max_length=200)
    role = models.CharField(_("role"), max_length=16, blank=True)
    token_id = models.CharField(_("token"), max_length=64, blank=True)
    ip = models.GenericIPAddressField(_("address"), null=True, blank=True)
    request_id = models.CharField(_("request"), max_length=64, blank=True)
    operation_id = models.CharField(_("operation"), max_length=64, blank=True)
    origin = models.CharField(_("door"), max_length=200, blank=True)
    target_kind = models.CharField(_("kind"), max_length=32)
    target_id = models.CharField(_("target id"), max_length=64)
    target_name = models.CharField(_("target"), max_length=200)
    region_id = models.BigIntegerField(null=True, blank=True)
    region_name = models.CharField(_("region"), max_length=64, blank=True)
    shared_environment_id = models.BigIntegerField(null=True, blank=True)
    shared_environment_name = models.CharField(max_length=64, blank=True)
    tenant_id = models.BigIntegerField(null=True, blank=True)
    tenant_name = models.CharField(_("tenant"), max_length=64, blank=True)
    run_id = models.CharField(_("run id"), max_length=30, blank=True)
    run_name = models.CharField(_("run"), max_length=100, blank=True)
    reason = models.TextField(_("reason"), blank=True)
    before = models.JSONField(_("before"), null=True, blank=True)
    after = models.JSONField(_("after"), null=True, blank=True)
    is_refused = models.BooleanField(_("refused"), default=False)

    objects = AuditQuerySet.as_manager()

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit entries")
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["actor_id", "-id"], name="audit_actor"),
            models.Index(fields=["target_id", "-id"], name="audit_target"),
            models.Index(fields=["region_id", "-id"], name="audit_region"),
            models.Index(fields=["shared_environment_id", "-id"], name="audit_environment"),
            models.Index(fields=["tenant_id", "-id"], name="audit_tenant"),
            models.Index(fields=["run_id"], name="audit_run"),
            models.Index(fields=["action", "-id"], name="audit_action"),
        ]

    def __str__(self) -> str:
        return f"{self.actor_name}: {self.action} {self.target_name}"
