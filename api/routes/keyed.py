"""Requests with an Idempotency-Key: sent again within 24 h they give the first answer again."""

from collections.abc import Callable
from typing import Annotated

from django.db import IntegrityError
from pydantic import Field

from deployments.models import Run

IdempotencyKey = Annotated[
    str,
    Field(
        max_length=64,
        pattern=r"^[A-Za-z0-9_.:-]*$",
        description="Yours to choose. The same key with the same content gives the same run; "
        "with other content it is refused.",
    ),
]


def once(queue: Callable[[], Run]) -> Run:
    """Return the run that a request queues.

    Two of them with one key over different regions hold no lock in common: the database lets one
    in, and the other one is asked again, when it sees the first.
    """
    try:
        return queue()
    except IntegrityError as error:
        if "run_request_once" not in str(error):
            raise
        return queue()
