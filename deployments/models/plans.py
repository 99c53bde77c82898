"""Plans and versions of states: what was to be done, and what Terraform believed."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from deployments.models.runs import Run
from tenants.models import Stack
from tenants.models.archive import public_id


class Plan(models.Model):
    """A run's plan: the masked picture for people and the sealed bundle for the apply."""

    run = models.OneToOneField(Run, models.PROTECT, related_name="plan")
    created_at = models.DateTimeField(_("made"), auto_now_add=True)
    # SHA-256 of the plan file: what was shown is what is applied.
    digest = models.CharField(_("digest"), max_length=64)
    # Terraform version, digests of blueprint, inputs and shared outputs, secret versions,
    # state lineage and serial, provider mirror: each must still hold when it is applied.
    facts = models.JSONField(_("facts"), default=dict)
    # The compact structure for the page (runner.plans.plan_view) and the masked `show -json`.
    view = models.JSONField(default=dict)
    masked_json = models.BinaryField(null=True)
    # Encrypted workdir with the plan file; removed when the run ends.
    bundle = models.BinaryField(null=True)
    key_id = models.CharField(max_length=32, blank=True)

    class Meta:
        verbose_name = _("plan")
        verbose_name_plural = _("plans")

    def __str__(self) -> str:
        return f"{self.run}: {self.digest[:12]}"


class StateMoment(models.TextChoices):
    """Why a version of the state was kept."""

    BEFORE_APPLY = "before_apply", _("before an apply")
    AFTER_APPLY = "after_apply", _("after an apply")
    ROLLBACK = "rollback", _("rolled back to")


class StateVersion(models.Model):
    """One content of a stack's state, encrypted."""

    public_id = public_id("stv")
    stack = models.ForeignKey(Stack, models.PROTECT, related_name="state_versions")
    run = models.ForeignKey(
        Run, models.PROTECT, null=True, blank=True, related_name="state_versions"
    )
    moment = models.CharField(_("moment"), max_length=16, choices=StateMoment.choices)
    serial = models.BigIntegerField(_("serial"))
    lineage = models.CharField(_("lineage"), max_length=64)
    digest = models.CharField(_("SHA-256"), max_length=64)
    resource_count = models.PositiveIntegerField(_("resources"), default=0)
    size = models.PositiveIntegerField(_("bytes"), default=0)
    terraform_version = models.CharField(_("Terraform"), max_length=32, blank=True)
    blueprint_digest = models.CharField(_("built with"), max_length=64, blank=True)
    ciphertext = models.BinaryField()
    key_id = models.CharField(max_length=32)
    actor_name = models.CharField(_("by"), max_length=200, blank=True)
    created_at = models.DateTimeField(_("kept"), auto_now_add=True)

    class Meta:
        verbose_name = _("state version")
        verbose_name_plural = _("state versions")
        ordering = ["-id"]
        indexes = [models.Index(fields=["stack", "-id"], name="state_stack_newest")]

    def __str__(self) -> str:
        return f"{self.stack}: serial {self.serial}"
