"""The mail that takes the link of an invitation to its address."""

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from tenants.models import Invitation
from tenants.signin import invitations


def send(row: Invitation, link: str, host: str) -> str | None:
    """Send the link of an invitation; return None when the mail has left.

    Otherwise why not, in words: empty where no mail server is set up. Then the link is handed
    over by hand; nobody can show it a second time.
    """
    if not settings.EMAIL_URL:
        return ""
    context = {"row": row, "link": link, "host": host}
    mail = EmailMessage(
        subject=_("You are invited to omlsaas"),
        body=render_to_string("account/email/invitation.txt", context),
        to=[row.email],
    )
    try:
        mail.send()
    except OSError as error:
        return str(error) or type(error).__name__
    invitations.mark_sent(row)
    return None
