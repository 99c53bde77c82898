"""Invitations: how somebody without an account gets one."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenants.models.archive import public_id


class InvitationQuerySet(models.QuerySet):
    """Invitations by where they stand."""

    def open(self) -> "InvitationQuerySet":
        """Return those whose link works now."""
        return self.pending().filter(expires_at__gt=timezone.now())

    def pending(self) -> "InvitationQuerySet":
        """Return those that were neither accepted nor revoked; some may have expired."""
        return self.filter(accepted_at__isnull=True, revoked_at__isnull=True)


class Invitation(models.Model):
    """A link for one address that makes one account, once, until it expires.

    The link's secret is not kept, only its SHA-256.
    """

    public_id = public_id("inv")
    email = models.EmailField(_("e-mail address"))
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    # [{"role": …, "scope": "everything" | "region" | …, "id": …, "name": …}]
    roles = models.JSONField(_("roles"), default=list, blank=True)
    groups = models.ManyToManyField("auth.Group", verbose_name=_("groups"), blank=True)
    note = models.CharField(_("note"), max_length=500, blank=True)
    created_at = models.DateTimeField(_("made"), auto_now_add=True)
    expires_at = models.DateTimeField(_("expires"))
    sent_at = models.DateTimeField(_("sent"), null=True, blank=True)
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="invitations", null=True
    )
    # The token that it was made with: a link does not outlive it.
    by_token = models.CharField(max_length=64, blank=True, default="", editable=False)
    accepted_at = models.DateTimeField(_("accepted"), null=True, blank=True)
    accepted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="accepted_invitations", null=True
    )
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        verbose_name = _("invitation")
        verbose_name_plural = _("invitations")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                Lower("email"),
                name="invitation_one_pending",
                condition=models.Q(accepted_at__isnull=True, revoked_at__isnull=True),
            ),
            models.CheckConstraint(
                name="invitation_one_end",
                condition=models.Q(accepted_at__isnull=True) | models.Q(revoked_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return self.email

    @property
    def standing(self) -> str:
        """Return where it stands: open, expired, accepted or revoked."""
        if self.accepted_at is not None:
            return "accepted"
        if self.revoked_at is not None:
            return "revoked"
        return "open" if self.expires_at > timezone.now() else "expired"
