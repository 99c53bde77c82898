"""Where stacks may stand: cloud accounts and their regions."""

from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from tenants.models.archive import LIVING, Archivable, ArchiveQuerySet, public_id
from tenants.querysets import RegionScoped

SLUG = RegexValidator(
    r"\A[a-z][a-z0-9-]{0,30}[a-z0-9]\Z",
    _("Use 2 to 32 lower-case letters, digits and hyphens; begin with a letter."),
)


class Provider(models.TextChoices):
    """Who runs the machines."""

    AWS = "aws", _("AWS")
    LAB = "lab", _("Lab (no cloud)")
    HOSTS = "hosts", _("Own hosts")


class OwnSecret(models.Model):
    """A row with one secret of its own, encrypted by tenants.secrets and never shown."""

    key_id = models.CharField(max_length=32, blank=True, editable=False)
    ciphertext = models.BinaryField(null=True)

    class Meta:
        abstract = True

    @property
    def has_secret(self) -> bool:
        """Tell whether a secret is stored."""
        return bool(self.key_id)


class CloudAccount(OwnSecret, Archivable):
    """An account at a provider, with the way to reach it. Its secret: the secret access key."""

    public_id = public_id("acc")
    name = models.CharField(_("name"), max_length=64, validators=[SLUG])
    provider = models.CharField(_("provider"), max_length=16, choices=Provider.choices)
    account_number = models.CharField(_("account number"), max_length=32, blank=True)
    access_key_id = models.CharField(_("access key id"), max_length=128, blank=True)
    role_arn = models.CharField(
        _("role ARN"), max_length=200, blank=True, help_text=_("Assumed with the access key.")
    )
    external_id = models.CharField(_("external id"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("cloud account")
        verbose_name_plural = _("cloud accounts")
        constraints = [
            models.UniqueConstraint(
                fields=["name"], condition=LIVING, name="cloud_account_name_living"
            ),
            models.CheckConstraint(
                name="cloud_account_provider_known",
                condition=models.Q(provider__in=Provider.values),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class StateBackend(models.TextChoices):
    """Where Terraform keeps the state."""

    LOCAL = "local", _("On one worker host")
    S3 = "s3", _("S3 bucket")
    PG = "pg", _("PostgreSQL")


class RegionQuerySet(RegionScoped, ArchiveQuerySet):
    """Regions, as far as somebody may see them."""

    scope_paths = {
        "region": "pk",
        "shared_environment": "shared_environments",
    }


class Region(OwnSecret, Archivable):
    """One region of one account, or a site of own hosts.

    Its secret: the address of the PostgreSQL database that keeps its states (backend pg).
    """

    public_id = public_id("reg")
    account = models.ForeignKey(CloudAccount, models.PROTECT, related_name="regions")
    slug = models.CharField(_("name"), max_length=32, validators=[SLUG])
    title = models.CharField(_("place"), max_length=100, blank=True)
    code = models.CharField(
        _("provider's region"), max_length=32, blank=True, help_text=_("Such as us-east-2.")
    )
    endpoint_url = models.CharField(
        _("API address"),
        max_length=200,
        blank=True,
        help_text=_("Only where it is not the provider's own, such as a local simulation."),
    )
    domain_name = models.CharField(_("domain name"), max_length=200, blank=True)
    hosted_zone = models.CharField(_("hosted zone"), max_length=64, blank=True)
    owner_prefix = models.CharField(_("owner prefix"), max_length=16, blank=True)
    time_zone = models.CharField(_("time zone"), max_length=64, default="UTC")
    state_backend = models.CharField(
        _("state backend"),
        max_length=16,
        choices=StateBackend.choices,
        default=StateBackend.LOCAL,
    )
    backend_config = models.JSONField(
        _("backend settings"),
        default=dict,
        blank=True,
        help_text=_("Of an S3 bucket: bucket, dynamodb_table. Without a bucket one is made."),
    )
    probe = models.JSONField(
        _("probe"),
        default=dict,
        blank=True,
        help_text=_("How to reach what was built: resolver (address:port), port, ca_file."),
    )
    instances_remote = models.CharField(
        _("instances repository"),
        max_length=300,
        blank=True,
        help_text=_("Git remote that gets the inputs of each stack after an apply."),
    )
    max_runs = models.PositiveSmallIntegerField(
        _("runs at once"), default=32, validators=[MinValueValidator(1)]
    )

    objects = RegionQuerySet.as_manager()

    class Meta:
        verbose_name = _("region")
        verbose_name_plural = _("regions")
        ordering = ["slug"]
        constraints = [
            models.UniqueConstraint(fields=["slug"], condition=LIVING, name="region_slug_living"),
            models.CheckConstraint(
                name="region_backend_known",
                condition=models.Q(state_backend__in=StateBackend.values),
            ),
            models.CheckConstraint(
                name="region_max_runs_positive", condition=models.Q(max_runs__gte=1)
            ),
        ]

    def __str__(self) -> str:
        return self.slug
