"""The audit trail: who did what, to what, why. Rows stand on their own.

Entries, seals and anchors are written once. Triggers of the database refuse everything else
(migration 0007); how the chain is made and checked stands in `tenants.auditchain`.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenants import auditkeys
from tenants.models.archive import public_id
from tenants.querysets import RegionScoped


class AppendOnly(Exception):
    """The audit trail is written once: code that would change or delete it is a bug."""


class WrittenOnce(models.QuerySet):
    """Rows that may be added and read."""

    def update(self, **kwargs: Any) -> NoReturn:
        """Refuse."""
        raise AppendOnly(self.model.__name__)

    def delete(self) -> NoReturn:
        """Refuse."""
        raise AppendOnly(self.model.__name__)

    delete.alters_data = True
    delete.queryset_only = True
    update.alters_data = True


class WrittenOnceModel(models.Model):
    """A row that is saved once."""

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Add the row; refuse to change one."""
        if not self._state.adding:
            raise AppendOnly(str(self))
        super().save(*args, **kwargs | {"force_insert": True})

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse."""
        raise AppendOnly(str(self))


class AuditQuerySet(WrittenOnce, RegionScoped):
    """Audit entries, as far as somebody may see them."""

    scope_paths = {
        "region": "region_id",
        "shared_environment": "shared_environment_id",
        "tenant": "tenant_id",
    }

    def bulk_create(self, objs: Iterable["AuditEntry"], *args: Any, **kwargs: Any) -> list:
        """Add many entries, each with its mark."""
        rows = list(objs)
        for row in rows:
            row.sign()
        return super().bulk_create(rows, *args, **kwargs)


class AuditEntry(WrittenOnceModel):
    """One act. No foreign keys: what it names may be renamed or archived, the entry stays true."""

    public_id = public_id("aud")
    created_at = models.DateTimeField(_("when"), default=timezone.now, editable=False)
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
    approver_id = models.CharField(_("approver id"), max_length=64, blank=True)
    approver_name = models.CharField(_("approver"), max_length=200, blank=True)
    plan_digest = models.CharField(_("plan digest"), max_length=64, blank=True)
    reason = models.TextField(_("reason"), blank=True)
    before = models.JSONField(_("before"), null=True, blank=True)
    after = models.JSONField(_("after"), null=True, blank=True)
    is_refused = models.BooleanField(_("refused"), default=False)
    # Who wrote the row had the key: "<key id>:<HMAC over the columns above>".
    mark = models.CharField(max_length=100, blank=True, editable=False)

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

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Add the entry with its mark."""
        self.sign()
        super().save(*args, **kwargs)

    def sign(self) -> None:
        """Put the mark on a row that is about to be added."""
        self.ip = auditkeys.address(self.ip)
        key_id = auditkeys.first_key()
        text = auditkeys.canonical(SIGNED, self.__dict__)
        self.mark = f"{key_id}:{auditkeys.mac(key_id, 'entry', text)}"


# The columns that the mark is made of: all but the id, which the database gives, and itself.
SIGNED: Sequence[str] = tuple(
    sorted(
        field.attname
        for field in AuditEntry._meta.concrete_fields
        if field.attname not in ("id", "mark")
    )
)


class AuditSeal(WrittenOnceModel):
    """The place of one committed entry in the chain. A table of its own: entries stay untouched."""

    seq = models.BigIntegerField(_("number"), primary_key=True)
    entry_id = models.BigIntegerField(_("entry"), unique=True)
    day = models.DateField(_("day"), db_index=True)
    key_id = models.CharField(_("key"), max_length=32)
    mac = models.CharField(max_length=64)

    objects = WrittenOnce.as_manager()

    class Meta:
        verbose_name = _("audit seal")
        verbose_name_plural = _("audit seals")
        ordering = ["seq"]

    def __str__(self) -> str:
        return f"{self.seq}"


class AuditAnchor(WrittenOnceModel):
    """A head of the chain: where it began, where each day ended, and what was moved to a file.

    `first_seq` to `last_seq` are the day's seals, `head` the MAC of the last one. It is signed
    itself: nobody makes one without the key.
    """

    class Kind(models.TextChoices):
        """What an anchor tells."""

        START = "start", _("start of the chain")
        DAY = "day", _("end of a day")
        ARCHIVE = "archive", _("day moved to a file")

    kind = models.CharField(_("kind"), max_length=8, choices=Kind.choices)
    day = models.DateField(_("day"))
    first_seq = models.BigIntegerField(_("first"))
    last_seq = models.BigIntegerField(_("last"))
    head = models.CharField(_("head"), max_length=64, blank=True)
    file_name = models.CharField(_("file"), max_length=200, blank=True)
    file_sha256 = models.CharField(max_length=64, blank=True)
    # Entries up to this id are older than the marks (kind start).
    unmarked_to = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(_("made"), default=timezone.now, editable=False)
    key_id = models.CharField(_("key"), max_length=32)
    mac = models.CharField(max_length=64)

    objects = WrittenOnce.as_manager()

    class Meta:
        verbose_name = _("audit anchor")
        verbose_name_plural = _("audit anchors")
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["kind", "day"], name="audit_anchor_once_a_day"),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.last_seq}:{self.head}"

    def text(self) -> str:
        """Return what is signed."""
        names = ("kind", "day", "first_seq", "last_seq", "head", "file_name", "file_sha256",
                 "unmarked_to", "created_at")  # fmt: skip
        return auditkeys.canonical(names, {name: getattr(self, name) for name in names})

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Add the anchor, signed."""
        self.key_id = auditkeys.first_key()
        self.mac = auditkeys.mac(self.key_id, "anchor", self.text())
        super().save(*args, **kwargs)

    @property
    def is_genuine(self) -> bool:
        """Tell whether it was made with one of the keys and not changed since."""
        return auditkeys.fits(self.key_id, self.mac, "anchor", self.text())


class AuditCursor(models.Model):
    """How far a reader of the trail has come: the sealer, the forwarding."""

    name = models.CharField(_("name"), max_length=16, primary_key=True)
    position = models.BigIntegerField(_("position"), default=0)
    detail = models.JSONField(default=dict)

    class Meta:
        verbose_name = _("audit cursor")
        verbose_name_plural = _("audit cursors")

    def __str__(self) -> str:
        return f"{self.name} {self.position}"
