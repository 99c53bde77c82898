"""Refusals of the API itself."""

from django.utils.translation import gettext_lazy as _

from omlsaas.lib.refusals import Refusal


class NotSignedIn(Refusal):
    """No token came with the request, and no session with its CSRF token."""

    message = _(
        "Send a token: “Authorization: Bearer oml_…”. You make one in your profile, under API "
        "tokens. With a session, send its X-CSRFToken as well."
    )


class NothingHere(Refusal):
    """There is no such thing, or it is not for this token to see."""

    message = _("There is nothing here that you may see. Check the id and the path.")


class MethodUnknown(Refusal):
    """The path has no such method."""

    message = _("This path has no %(method)s. It has: %(known)s.")


class NotReadable(Refusal):
    """The request itself is malformed."""

    message = _("The request cannot be read: %(why)s Send JSON in UTF-8.")


class ValuesRefused(Refusal):
    """Fields of the request are missing, unknown or of the wrong form."""

    message = _("Some values are not accepted: `errors` says which and why.")


class PreviewDiffers(Refusal):
    """What would change is not what was read."""

    message = _("Something changed since this was previewed. Read it again, then send its digest.")


class TooManyRequests(Refusal):
    """A limit of requests a minute is reached."""

    message = _("Too many requests. Wait for %(seconds)s s, then try again.")


class InternalError(Refusal):
    """A fault of the portal; its log has the details under the request's id."""

    message = _("The portal failed. Its log names the request %(request)s: tell an admin.")
