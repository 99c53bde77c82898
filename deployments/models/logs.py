"""The stored log of a run: chunks of bytes by offset."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Codec(models.IntegerChoices):
    """How a chunk's bytes are kept."""

    PLAIN = 0, _("plain")
    ZSTD = 1, _("Zstandard")


class LogChunk(models.Model):
    """Bytes `offset … offset + size` of a run's redacted human log.

    Whole lines only. `first_line` counts from 0 over the whole run.
    """

    pk = models.CompositePrimaryKey("run_id", "offset")
    run = models.ForeignKey("deployments.Run", models.DO_NOTHING, db_index=False, related_name="+")
    offset = models.BigIntegerField()
    size = models.IntegerField()
    first_line = models.BigIntegerField()
    line_count = models.IntegerField()
    codec = models.SmallIntegerField(choices=Codec.choices, default=Codec.PLAIN)
    data = models.BinaryField()
    written_at = models.DateTimeField()

    class Meta:
        verbose_name = _("log chunk")
        verbose_name_plural = _("log chunks")
        indexes = [models.Index(fields=["run", "first_line"], name="log_chunk_line")]
