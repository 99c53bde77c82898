"""Things with a history are archived, never deleted."""

from functools import partial

from django.db import models
from django.utils.translation import gettext_lazy as _

from omlsaas.lib.ids import new_id

LIVING = models.Q(archived_at__isnull=True)


def public_id(prefix: str) -> models.CharField:
    """Return the column of a thing's public id, made at creation and never changed."""
    return models.CharField(
        _("id"),
        max_length=30,
        unique=True,
        editable=False,
        default=partial(new_id, prefix),
    )


class ArchiveQuerySet(models.QuerySet):
    """Rows of which some are archived."""

    def living(self) -> "ArchiveQuerySet":
        """Return the rows that are not archived: what every list shows by default."""
        return self.filter(LIVING)


class Archivable(models.Model):
    """A row that is hidden, with its reason, instead of being deleted."""

    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    archived_at = models.DateTimeField(_("archived"), null=True, blank=True, editable=False)
    archived_by = models.CharField(_("archived by"), max_length=200, blank=True, editable=False)
    archived_reason = models.CharField(_("reason"), max_length=500, blank=True, editable=False)

    objects = ArchiveQuerySet.as_manager()

    class Meta:
        abstract = True

    @property
    def is_archived(self) -> bool:
        """Tell whether this is history only."""
        return self.archived_at is not None
