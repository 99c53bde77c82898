"""What is done with the audit trail every few seconds: seal, tell the head, forward."""

import logging

from django.conf import settings

from deployments import auditforward
from deployments.onlyone import only_one
from tenants import actors, auditchain, auditverify
from tenants.auditarchive import ArchiveFailed, archive_day, due_days

log = logging.getLogger(__name__)


def seal_and_forward() -> dict[str, int]:
    """Seal committed entries and send them on; return the counts. At will, anywhere, repeatedly."""
    sealed = auditchain.seal()
    if sealed:
        auditverify.write_head_file(*auditchain.head())
    return {"sealed": sealed, "forwarded": auditforward.forward()}


def archive_due() -> int:
    """Move the days that AUDIT_KEEP_DAYS no longer keeps to files; return how many went."""
    done = 0
    if not due_days(settings.AUDIT_KEEP_DAYS):
        return done
    with only_one("archive_audit") as is_first:
        for day in due_days(settings.AUDIT_KEEP_DAYS) if is_first else ():
            try:
                archive_day(actors.system("reaper"), day)
            except (ArchiveFailed, OSError) as error:
                log.error("a day of the audit trail stays in the database: %s", error)
                break
            done += 1
    return done
