"""What the page of a run shows of its second person."""

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from deployments.models import Approval, Run
from deployments.models.approvals import ApprovalStatus
from deployments.runview.rights import who_may
from deployments.services.foureyes import digest_of, holding, is_waiting, persons_of, words_of
from tenants.access import user_can
from tenants.models import User

S = ApprovalStatus


@dataclass
class Second:
    """The newest request for a second person; `blocks` says why a yes waits for it."""

    tone: str
    icon: str
    title: str
    why: str
    asked_by: str
    asked_at: datetime
    digest: str
    key: str
    decided_by: str = ""
    decided_at: datetime | None = None
    reason: str = ""
    until: datetime | None = None
    may_decide: bool = False
    own: str = ""  # why this person is the one who asked
    who: str = ""
    blocks: str = ""
    is_open: bool = False


def second_of(run: Run, user: User) -> Second | None:
    """Return what there is to say of a second person; None where nobody was asked."""
    row = Approval.objects.filter(run=run).exclude(state=S.VOID).first()
    if row is None:
        return _granted(run)
    found = Second(
        "wait", "users", "", words_of(row.risks), row.asked_by, row.asked_at, row.digest,
        f"{row.public_id}-{row.state}", row.decided_by, row.decided_at, row.reason,
        row.expires_at if row.state == S.APPROVED else None,
    )  # fmt: skip
    if row.state == S.ASKED and is_waiting(run):
        _asked(found, run, user)
    elif row.state == S.REJECTED:
        found.tone, found.icon, found.title = "bad", "user-x", _("The second person said no")
    else:
        _approved(found, row, run, user)
    return found


def _granted(run: Run) -> Second | None:
    if run.grant_id is None:
        return None
    grant = run.grant
    return Second(
        "ok", "user-check", _("Granted beforehand"), "", run.actor_name, run.created_at, "",
        grant.public_id, grant.granted_by, grant.created_at, grant.reason, grant.ends_at,
    )  # fmt: skip


def _asked(found: Second, run: Run, user: User) -> None:
    found.title, found.is_open = _("Needs a second person"), True
    if user.public_id == run.actor_id:
        found.own = _("You asked for it, so somebody else has to look at it.")
    elif user.public_id in persons_of(run):
        found.own = _("A token or an account that you made asked for it: that counts as you.")
    may = user_can(user, "approve", run.stack) and not user.is_service
    found.may_decide = may and not found.own
    if not found.may_decide:
        found.who = who_may("approve", run.stack, besides=persons_of(run))
    found.blocks = _("It waits for a second person.")


def _approved(found: Second, row: Approval, run: Run, user: User) -> None:
    found.tone, found.icon, found.title = "ok", "user-check", _("A second person agreed")
    if not is_waiting(run):
        return
    if holding(run, digest_of(run)) is None:
        found.tone, found.icon = "wait", "clock-x"
        found.title = _("The second person’s yes has run out")
    elif row.decided_by_id == user.public_id:
        found.blocks = _("You approved it: somebody else confirms it.")
