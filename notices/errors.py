"""Refusals about notices, and why a delivery failed: each is a sentence with the way out."""

from django.utils.translation import gettext_lazy as _

from omlsaas.lib.refusals import Refusal


class NoticeRefusal(Refusal):
    """A refusal about channels or deliveries."""


class AddressNotUsable(NoticeRefusal):
    """The address of a channel is none that can be called."""

    message = _("%(why)s Write an address such as https://hooks.example.com/services/…")


class PrivateAddress(NoticeRefusal):
    """The receiver's name leads into a private network."""

    message = _(
        "%(host)s is at %(address)s, an address that is not public. Use a public receiver, or "
        "name its network in WEBHOOK_ALLOWED_NETWORKS."
    )


class Redirected(NoticeRefusal):
    """The receiver sent us elsewhere."""

    message = _(
        "The receiver answered %(code)s and pointed elsewhere. Enter its final address, or let "
        "this channel follow redirects."
    )


class ReceiverAway(NoticeRefusal):
    """No answer could be had."""

    message = _("No answer from the receiver: %(why)s. It is tried again.")


class ReceiverFailed(NoticeRefusal):
    """The receiver answered that it cannot now."""

    message = _("The receiver answered %(code)s. It is tried again.")


class ReceiverRefused(NoticeRefusal):
    """The receiver answered that it does not want this."""

    message = _("The receiver answered %(code)s: %(body)s. Look at its settings, then redeliver.")


class TableNotWritten(NoticeRefusal):
    """The status table did not take an item."""

    message = _("The table %(table)s was not written: %(why)s")


class MailNotSent(NoticeRefusal):
    """The mail server did not take a message."""

    message = _("The mail server did not take it: %(why)s. It is tried again.")


class MailNotSetUp(NoticeRefusal):
    """No mail server is named."""

    message = _("No mail server is set up: set EMAIL_URL, or take e-mail off the subscription.")


class NotForThem(NoticeRefusal):
    """Between the event and its message the receiver lost what let them hear of it."""

    message = _(
        "%(who)s does not hear of this any more: a role, the account or the subscription ended "
        "before it was sent. Nothing was sent."
    )


class GivenUp(NoticeRefusal):
    """The receiver was tried often enough."""

    message = _(
        "Given up after %(attempts)s attempts: %(why)s Redeliver it when the cause is gone."
    )


class ChannelArchived(NoticeRefusal):
    """The channel is history."""

    message = _("The channel %(channel)s is archived. Make a new one.")


class ChannelPaused(NoticeRefusal):
    """Somebody paused the channel."""

    message = _("The channel %(channel)s is paused. Resume it, then redeliver.")


class NothingSigned(NoticeRefusal):
    """The channel's messages carry no signature."""

    message = _("Messages to %(channel)s are not signed: only webhooks have a signing key.")


class NotYours(NoticeRefusal):
    """A scope that the person does not see."""

    message = _("Choose one thing that you may see, or everything.")
