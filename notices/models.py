"""Who hears of what: channels, subscriptions, the inbox, and each delivery."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from omlsaas.lib.refusals import sentence
from tenants.models import Region, SharedEnvironment, Stack, Tenant, User
from tenants.models.accounts import OwnSecret
from tenants.models.archive import LIVING, Archivable, public_id


class ChannelKind(models.TextChoices):
    """What stands at the other end."""

    WEBHOOK = "webhook", _("Webhook (signed JSON)")
    SLACK = "slack", _("Slack or Mattermost")
    TEAMS = "teams", _("Microsoft Teams")
    STATUS_TABLE = "status_table", _("DynamoDB status table")


class Channel(OwnSecret, Archivable):
    """A way to tell programs or a room of people.

    Its secret is JSON: the address, and the key that signs. Addresses of chat rooms are secrets.
    """

    public_id = public_id("chn")
    name = models.CharField(_("name"), max_length=64)
    kind = models.CharField(_("kind"), max_length=16, choices=ChannelKind.choices)
    # What of the address may be shown.
    shown_as = models.CharField(_("address"), max_length=200, blank=True)
    region = models.ForeignKey(
        Region, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("region")
    )
    table_name = models.CharField(_("table"), max_length=255, blank=True)
    follows_redirects = models.BooleanField(_("follows redirects"), default=False)
    is_paused = models.BooleanField(_("paused"), default=False)
    # Nothing is sent before that: the receiver was away, or asked for patience.
    wait_until = models.DateTimeField(null=True, blank=True)
    failing_since = models.DateTimeField(_("failing since"), null=True, blank=True)
    last_error = models.JSONField(null=True, blank=True)
    last_sent_at = models.DateTimeField(_("last delivered"), null=True, blank=True)

    class Meta:
        verbose_name = _("channel")
        verbose_name_plural = _("channels")
        constraints = [
            models.UniqueConstraint(fields=["name"], condition=LIVING, name="channel_name_living"),
            models.CheckConstraint(
                name="channel_kind_known", condition=models.Q(kind__in=ChannelKind.values)
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_table(self) -> bool:
        """Tell whether this mirrors statuses into a table and takes step events only."""
        return self.kind == ChannelKind.STATUS_TABLE

    @property
    def last_error_text(self) -> str:
        """Return why the last delivery failed, in words."""
        return sentence(self.last_error)


class Subscription(models.Model):
    """One who listens: a person or a channel, to these events, over one scope.

    `is_own` is a person's own runs, wherever they are.
    """

    public_id = public_id("sub")
    user = models.ForeignKey(User, models.CASCADE, null=True, related_name="subscriptions")
    channel = models.ForeignKey(Channel, models.CASCADE, null=True, related_name="subscriptions")
    events = models.JSONField(_("events"), default=list)
    by_email = models.BooleanField(_("by e-mail, too"), default=False)
    is_own = models.BooleanField(_("own runs"), default=False)
    everything = models.BooleanField(_("everything"), default=False)
    region = models.ForeignKey(Region, models.CASCADE, null=True, blank=True)
    shared_environment = models.ForeignKey(SharedEnvironment, models.CASCADE, null=True, blank=True)
    tenant = models.ForeignKey(Tenant, models.CASCADE, null=True, blank=True)
    stack = models.ForeignKey(Stack, models.CASCADE, null=True, blank=True)
    created_at = models.DateTimeField(_("made"), auto_now_add=True)

    class Meta:
        verbose_name = _("subscription")
        verbose_name_plural = _("subscriptions")
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                name="subscription_one_holder",
                condition=models.Q(user__isnull=False, channel__isnull=True)
                | models.Q(user__isnull=True, channel__isnull=False),
            ),
            models.UniqueConstraint(
                fields=["user"], condition=models.Q(is_own=True), name="subscription_own_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user or self.channel}: {self.scope_text}"

    @property
    def scope_text(self) -> str:
        """Return what it covers, in words."""
        if self.is_own:
            return str(_("own runs"))
        thing = self.region or self.shared_environment or self.tenant or self.stack
        return str(thing) if thing else str(_("everything"))


class NoticeQuerySet(models.QuerySet):
    """Notices, as far as the person they are for may see what they tell of."""

    def visible_to(self, user: User) -> "NoticeQuerySet":
        """Return the person's own notices, without those about stacks they do not see (any more).

        A role that comes back brings its lines back.
        """
        seen = Stack.objects.visible_to(user).values("pk")
        where = models.Q(stack_id__isnull=True) | models.Q(stack_id__in=seen)
        return self.filter(where, user=user)


class Notice(models.Model):
    """A line in somebody's inbox."""

    public_id = public_id("ntc")
    user = models.ForeignKey(User, models.CASCADE, related_name="notices")
    event = models.CharField(_("event"), max_length=64)
    # The payload's short form: names, ids and the sentence's code.
    facts = models.JSONField(default=dict)
    stack_id = models.BigIntegerField(null=True)
    run_public_id = models.CharField(max_length=30, blank=True)
    created_at = models.DateTimeField(_("when"))
    read_at = models.DateTimeField(_("read"), null=True, blank=True)

    objects = NoticeQuerySet.as_manager()

    class Meta:
        verbose_name = _("notice")
        verbose_name_plural = _("notices")
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["user", "-id"], name="notice_user_newest"),
            models.Index(
                fields=["user"], name="notice_unread", condition=models.Q(read_at__isnull=True)
            ),
            models.Index(fields=["created_at"], name="notice_age"),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.public_id}"


class DeliveryStatus(models.TextChoices):
    """Where a delivery stands."""

    WAITING = "waiting", _("Waiting")
    SENT = "sent", _("Delivered")
    FAILED = "failed", _("Given up")
    REFUSED = "refused", _("Refused")


class Delivery(models.Model):
    """One message on its way to one channel, or to one person's mailbox."""

    public_id = public_id("dlv")
    channel = models.ForeignKey(Channel, models.CASCADE, null=True, related_name="deliveries")
    user = models.ForeignKey(User, models.CASCADE, null=True, related_name="+")
    event = models.CharField(_("event"), max_length=64)
    subject = models.CharField(_("about"), max_length=200, blank=True)
    payload = models.JSONField(default=dict)
    # What the receiver tells apart by: the same for a repeat.
    message_id = models.CharField(_("message"), max_length=30)
    redelivery_of = models.ForeignKey("self", models.SET_NULL, null=True, related_name="+")
    status = models.CharField(
        _("status"),
        max_length=16,
        choices=DeliveryStatus.choices,
        default=DeliveryStatus.WAITING,
    )
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    # The last ten: {"at", "ms", "code", "error": {code, params}}.
    tries = models.JSONField(default=list)
    next_at = models.DateTimeField(_("next attempt"), null=True)
    claimed_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(_("made"), auto_now_add=True)
    ended_at = models.DateTimeField(_("ended"), null=True)

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="delivery_one_receiver",
                condition=models.Q(user__isnull=False, channel__isnull=True)
                | models.Q(user__isnull=True, channel__isnull=False),
            )
        ]
        indexes = [
            models.Index(
                fields=["next_at"], name="delivery_due", condition=models.Q(status="waiting")
            ),
            models.Index(fields=["channel", "-id"], name="delivery_channel_newest"),
            models.Index(fields=["created_at"], name="delivery_age"),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.public_id}"

    @property
    def last_error_text(self) -> str:
        """Return why the last attempt failed, in words; empty when it did not."""
        return sentence(self.tries[-1].get("error")) if self.tries else ""
