"""Secret values of a stack, only ever stored encrypted."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from tenants.models.stacks import Stack


class SecretKind(models.TextChoices):
    """Where the value comes from."""

    INPUT = "input", _("Input")
    OUTPUT = "output", _("Output")
    # Made by a run for people, shown once.
    HANDED = "handed", _("Handed over")


class Secret(models.Model):
    """One version of one secret value. The newest version of a name is in force."""

    stack = models.ForeignKey(Stack, models.PROTECT, related_name="secrets")
    kind = models.CharField(_("kind"), max_length=8, choices=SecretKind.choices)
    name = models.CharField(_("name"), max_length=128)
    version = models.PositiveIntegerField(_("version"))
    ciphertext = models.BinaryField()
    key_id = models.CharField(_("key"), max_length=32)
    rotated_at = models.DateTimeField(_("set"), auto_now_add=True)

    class Meta:
        verbose_name = _("secret")
        verbose_name_plural = _("secrets")
        constraints = [
            models.UniqueConstraint(
                fields=["stack", "kind", "name", "version"], name="secret_version_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.stack}: {self.name} (v{self.version})"
