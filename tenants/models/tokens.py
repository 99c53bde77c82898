"""API tokens: what a program shows instead of a password. Only a hash is kept."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenants.models.access import User
from tenants.models.archive import public_id


class ApiToken(models.Model):
    """One token of one user or service account; it may do at most what its owner may."""

    public_id = public_id("tok")
    user = models.ForeignKey(User, models.CASCADE, related_name="tokens", verbose_name=_("owner"))
    name = models.CharField(_("name"), max_length=100)
    # SHA-256 of the whole token. Its secret has 256 random bits: there is nothing to guess.
    digest = models.CharField(max_length=64, editable=False)
    kinds = models.JSONField(_("may"), default=list)
    everything = models.BooleanField(_("everything that its owner may"), default=False)
    networks = models.JSONField(_("from"), default=list, blank=True)
    created_at = models.DateTimeField(_("made"), auto_now_add=True)
    created_by = models.CharField(_("made by"), max_length=200)
    # The person who made it, and so may know it: they are no second person to what it asks for.
    created_by_id = models.CharField(max_length=64, blank=True, editable=False)
    expires_at = models.DateTimeField(_("expires"))
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True)
    last_used_ip = models.GenericIPAddressField(_("last used from"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)
    revoked_by = models.CharField(_("revoked by"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")
        ordering = ["-id"]
        indexes = [models.Index(fields=["user", "-id"], name="token_owner")]

    def __str__(self) -> str:
        return self.name

    @property
    def shown_id(self) -> str:
        """Return the part of the token that is no secret, as programs show it."""
        return f"oml_{self.public_id.removeprefix('tok_')}"

    @property
    def is_expired(self) -> bool:
        """Tell whether its time is over."""
        return self.expires_at <= timezone.now()

    @property
    def is_valid(self) -> bool:
        """Tell whether it still opens anything."""
        return self.revoked_at is None and not self.is_expired


class ApiTokenPlace(models.Model):
    """One region, shared environment or tenant that a token is narrowed to."""

    token = models.ForeignKey(ApiToken, models.CASCADE, related_name="places")
    region = models.ForeignKey("tenants.Region", models.CASCADE, null=True, blank=True)
    shared_environment = models.ForeignKey(
        "tenants.SharedEnvironment", models.CASCADE, null=True, blank=True
    )
    tenant = models.ForeignKey("tenants.Tenant", models.CASCADE, null=True, blank=True)

    class Meta:
        verbose_name = _("place of a token")
        verbose_name_plural = _("places of a token")
        constraints = [
            models.CheckConstraint(
                name="token_place_is_one",
                condition=models.Q(
                    region__isnull=False, shared_environment__isnull=True, tenant__isnull=True
                )
                | models.Q(
                    region__isnull=True, shared_environment__isnull=False, tenant__isnull=True
                )
                | models.Q(
                    region__isnull=True, shared_environment__isnull=True, tenant__isnull=False
                ),
            )
        ]

    def __str__(self) -> str:
        return str(self.region or self.shared_environment or self.tenant)
