"""The outbox: what happened, written with the change and told to others afterwards."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Happening(models.Model):
    """One thing that somebody may want to hear of. It goes once it has been handed on.

    No foreign keys: a row lives for seconds, and must stand in nobody's way.
    """

    created_at = models.DateTimeField(_("when"), auto_now_add=True)
    kind = models.CharField(_("event"), max_length=64)
    stack_id = models.BigIntegerField(null=True)
    run_id = models.BigIntegerField(null=True)
    # What the event knows besides: who, why, which step. Texts and codes, never secrets.
    facts = models.JSONField(default=dict)

    class Meta:
        verbose_name = _("event to tell")
        verbose_name_plural = _("events to tell")
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"
