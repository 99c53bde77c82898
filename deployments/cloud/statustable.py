"""One item of a status table at a provider: what others read of a run, step by step.

The shape is that of the deployment worker's table: `id`, `currentStatus`, `action`, `updatedAt`
(docs/notices.md).
"""

from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError
from django.utils.translation import gettext_lazy as _

from deployments.cloud import sessions, words
from tenants.models import Region

WRITING = _("Writing into the status table")
CREATING, OK, KO = "Creating", "OK", "KO"


def put_status(
    region: Region, table: str, item_id: str, status: str, action: str, at: datetime
) -> None:
    """Write one item; `status` is CREATING, OK or KO.

    A beginning that comes after its end, because it had to be tried again, changes nothing.
    Raises CloudRefusal.
    """
    item: dict[str, Any] = {
        "id": {"S": item_id},
        "currentStatus": {"S": status},
        "action": {"S": action[:1000]},
        "updatedAt": {"S": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")},
    }
    only_new = {"ConditionExpression": "attribute_not_exists(id)"} if status == CREATING else {}
    try:
        sessions.client(region, "dynamodb").put_item(TableName=table, Item=item, **only_new)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
            return
        raise words.refusal_for(error, WRITING) from error
    except words.API_ERRORS as error:
        raise words.refusal_for(error, WRITING) from error
