"""What is still to be written to the instances repository, and what was."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from deployments.models.runs import Run
from omlsaas.lib.refusals import sentence
from tenants.models import Stack


class InstancesRecord(models.Model):
    """The inputs that one applied run left, for the instances repository. No secrets in it."""

    run = models.OneToOneField(Run, models.CASCADE, related_name="instances_record")
    stack = models.ForeignKey(Stack, models.PROTECT, related_name="instances_records")
    remote = models.CharField(_("remote"), max_length=300)
    folder = models.CharField(_("folder"), max_length=200)
    # File name → text; none when the stack was destroyed and its folder goes.
    files = models.JSONField(default=dict)
    message = models.TextField(_("message"))
    author_name = models.CharField(_("author"), max_length=200)
    author_email = models.CharField(_("e-mail address"), max_length=254)
    created_at = models.DateTimeField(_("made"), auto_now_add=True)
    pushed_at = models.DateTimeField(_("pushed"), null=True, blank=True)
    commit = models.CharField(_("commit"), max_length=64, blank=True)
    tries = models.PositiveIntegerField(_("tries"), default=0)
    next_try_at = models.DateTimeField(_("next try"), null=True, blank=True)
    # A code with parameters; the sentence is made when shown.
    error = models.JSONField(_("error"), null=True, blank=True)

    class Meta:
        verbose_name = _("instances record")
        verbose_name_plural = _("instances records")
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["next_try_at"],
                name="instances_waiting",
                condition=models.Q(pushed_at__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return f"{self.run}: {self.folder}"

    @property
    def error_text(self) -> str:
        """Return why the last try failed, in words."""
        return sentence(self.error)
