"""People, and the roles that they hold over parts of the fleet."""

from django.contrib.auth.models import AbstractUser, Group
from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from tenants.models.archive import public_id


class User(AbstractUser):
    """A person, or a program with an account of its own."""

    public_id = public_id("usr")
    email = models.EmailField(_("e-mail address"))
    time_zone = models.CharField(_("time zone"), max_length=64, default="UTC")
    language = models.CharField(_("language"), max_length=16, default="en")
    is_service = models.BooleanField(
        _("service account"), default=False, help_text=_("A program, not a person.")
    )

    # Of a service account: the person who made it, who is no second person to what it asks for.
    made_by_id = models.CharField(max_length=64, blank=True, editable=False)

    # What a token leaves of this user's rights (tenants.limits); only set where one was shown.
    limits = None

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        constraints = [
            models.UniqueConstraint(
                Lower("email"),
                name="user_email_unique",
                condition=~models.Q(email=""),
                violation_error_message=_("Another user has this e-mail address."),
            )
        ]

    @property
    def display_name(self) -> str:
        """Return the name that pages and the audit trail show."""
        return self.get_full_name() or self.username

    @property
    def initials(self) -> str:
        """Return one or two letters for the small round picture."""
        parts = self.display_name.replace(".", " ").replace("_", " ").split() or ["?"]
        return (parts[0][0] + (parts[-1][0] if len(parts) > 1 else "")).upper()


class Role(models.TextChoices):
    """What somebody may do within a scope; access.GRANTS says it in kinds of action."""

    VIEWER = "viewer", _("Viewer")
    OPERATOR = "operator", _("Operator")
    APPROVER = "approver", _("Approver")
    ADMIN = "admin", _("Admin")


class Membership(models.Model):
    """One role of one user or group over exactly one scope."""

    user = models.ForeignKey(
        User, models.CASCADE, null=True, blank=True, related_name="memberships"
    )
    group = models.ForeignKey(
        Group, models.CASCADE, null=True, blank=True, related_name="memberships"
    )
    role = models.CharField(_("role"), max_length=16, choices=Role.choices)
    everything = models.BooleanField(_("everything"), default=False)
    region = models.ForeignKey("tenants.Region", models.CASCADE, null=True, blank=True)
    shared_environment = models.ForeignKey(
        "tenants.SharedEnvironment", models.CASCADE, null=True, blank=True
    )
    tenant = models.ForeignKey("tenants.Tenant", models.CASCADE, null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("role")
        verbose_name_plural = _("roles")
        constraints = [
            models.CheckConstraint(
                name="membership_one_holder",
                condition=models.Q(user__isnull=False, group__isnull=True)
                | models.Q(user__isnull=True, group__isnull=False),
                violation_error_message=_("A role is held by one user or by one group."),
            ),
            models.CheckConstraint(
                name="membership_one_scope",
                condition=models.Q(
                    everything=True,
                    region__isnull=True,
                    shared_environment__isnull=True,
                    tenant__isnull=True,
                )
                | models.Q(
                    everything=False,
                    region__isnull=False,
                    shared_environment__isnull=True,
                    tenant__isnull=True,
                )
                | models.Q(
                    everything=False,
                    region__isnull=True,
                    shared_environment__isnull=False,
                    tenant__isnull=True,
                )
                | models.Q(
                    everything=False,
                    region__isnull=True,
                    shared_environment__isnull=True,
                    tenant__isnull=False,
                ),
                violation_error_message=_(
                    "A role covers everything, one region, one shared environment or one tenant."
                ),
            ),
            models.CheckConstraint(
                name="membership_role_known", condition=models.Q(role__in=Role.values)
            ),
            models.UniqueConstraint(
                fields=[
                    "user",
                    "group",
                    "role",
                    "everything",
                    "region",
                    "shared_environment",
                    "tenant",
                ],
                name="membership_once",
                nulls_distinct=False,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user or self.group}: {self.get_role_display()}, {self.scope_text}"

    @property
    def scope_text(self) -> str:
        """Return what the role covers, in words."""
        thing = self.region or self.shared_environment or self.tenant
        return str(thing) if thing else str(_("everything"))
