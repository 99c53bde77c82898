"""Hosts: machines of a stack that are configured over SSH."""

import base64
import binascii
import hashlib

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from tenants.models.accounts import SLUG, OwnSecret
from tenants.models.archive import LIVING, Archivable, ArchiveQuerySet, public_id
from tenants.models.stacks import Stack
from tenants.querysets import RegionScoped

# Neither may begin with a hyphen: both become words of an ssh command line.
ADDRESS = RegexValidator(
    r"\A[A-Za-z0-9][A-Za-z0-9.:_-]*\Z",
    _("Write a host name or an IP address, without port or user."),
)
USER = RegexValidator(r"\A[a-z_][a-z0-9_.-]*\Z", _("Write the name of a user of the host."))
PYTHON = RegexValidator(r"\A/[A-Za-z0-9/._-]+\Z", _("Write a path such as /usr/bin/python3.9."))


def fingerprint(key: str) -> str:
    """Return what ssh-keygen shows of a public key `type base64`; empty for none.

    https://www.rfc-editor.org/rfc/rfc4716#section-4, with SHA-256 as OpenSSH has it.
    """
    encoded = key.split()[1] if len(key.split()) > 1 else ""
    try:
        digest = hashlib.sha256(base64.b64decode(encoded, validate=True)).digest()
    except binascii.Error:
        return ""
    return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}" if encoded else ""


class HostQuerySet(RegionScoped, ArchiveQuerySet):
    """Hosts, as far as somebody may see them."""

    scope_paths = {
        "region": "stack__region_id",
        "shared_environment": "stack__parent_environment_id",
        "tenant": "stack__tenant_id",
    }


class Host(OwnSecret, Archivable):
    """A machine of a stack, reached over SSH.

    Its secret: the private SSH key; without one the worker's agent is asked. `host_key` is the
    host's own key (`type base64`), which somebody confirmed: no other one is ever accepted.
    `offered_key` is what the host showed last, when that is another one.
    """

    public_id = public_id("hst")
    stack = models.ForeignKey(Stack, models.PROTECT, related_name="hosts")
    name = models.CharField(_("name"), max_length=32, validators=[SLUG])
    role = models.CharField(_("role"), max_length=32)
    address = models.CharField(_("address for SSH"), max_length=255, validators=[ADDRESS])
    lan_address = models.CharField(
        _("LAN address"),
        max_length=255,
        blank=True,
        validators=[ADDRESS],
        help_text=_("Where the other hosts reach it. Empty: the address for SSH."),
    )
    port = models.PositiveIntegerField(
        _("SSH port"), default=22, validators=[MinValueValidator(1), MaxValueValidator(65535)]
    )
    user = models.CharField(
        _("user"),
        max_length=32,
        default="root",
        validators=[USER],
        help_text=_("Another one than root needs sudo without a password."),
    )
    python = models.CharField(
        _("Python"),
        max_length=255,
        blank=True,
        validators=[PYTHON],
        help_text=_("Path on the host. Empty: Ansible looks for one."),
    )
    # Made by the stack's own infrastructure: it is what the outputs say, by nobody's hand.
    is_made = models.BooleanField(_("made with the stack"), default=False, editable=False)
    host_key = models.TextField(_("host key"), blank=True, editable=False)
    offered_key = models.TextField(_("offered host key"), blank=True, editable=False)
    pinned_at = models.DateTimeField(_("key confirmed"), null=True, editable=False)
    pinned_by = models.CharField(_("key confirmed by"), max_length=200, blank=True, editable=False)

    objects = HostQuerySet.as_manager()

    class Meta:
        verbose_name = _("host")
        verbose_name_plural = _("hosts")
        ordering = ["stack_id", "role", "name"]
        constraints = [
            models.UniqueConstraint(
                fields=["stack", "name"], condition=LIVING, name="host_name_living"
            ),
            models.CheckConstraint(
                name="host_port_known", condition=models.Q(port__gte=1, port__lte=65535)
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def lan(self) -> str:
        """Return where the stack's other hosts reach it."""
        return self.lan_address or self.address

    @property
    def is_pinned(self) -> bool:
        """Tell whether somebody confirmed the host's own key."""
        return bool(self.host_key)

    @property
    def fingerprint(self) -> str:
        """Return the fingerprint of the confirmed key."""
        return fingerprint(self.host_key)

    @property
    def offered_fingerprint(self) -> str:
        """Return the fingerprint of a key that waits for a person's yes."""
        return fingerprint(self.offered_key)
