"""Cloud accounts: for those who administer everything. Secret keys go in and never out."""

from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router
from pydantic import Field

from api import shapes
from api.doors import made_at
from api.filters import AccountFilter
from api.paging import Page, page, query_of
from api.routes.places import Archiving, Id
from api.values import PATTERN, Asked, Line, Shape
from deployments import services
from deployments.cloud.checking import check_account
from deployments.views.doors import find, require
from tenants import services as tenants_services
from tenants.actors import from_request
from tenants.models import CloudAccount
from tenants.models.accounts import Provider

router = Router(tags=["accounts"])
SecretKey = Annotated[
    str, Field(max_length=2000, pattern=PATTERN, json_schema_extra={"writeOnly": True})
]
Number = Annotated[str, Field(max_length=32, pattern=PATTERN)]
KeyId = Annotated[str, Field(max_length=128, pattern=PATTERN)]


class Account(Shape):
    """An account at a provider. Of its secret key only whether there is one."""

    id: str
    name: str
    provider: Literal[tuple(Provider.values)]
    account_number: str
    access_key_id: str
    has_secret_key: bool
    role_arn: str
    external_id: str
    created_at: datetime
    archived_at: datetime | None


class Accounts(Page):
    """A page of cloud accounts."""

    items: list[Account]


class NewAccount(Asked):
    """A cloud account; key id and secret key go together."""

    name: Annotated[str, Field(min_length=1, max_length=64, pattern=PATTERN)]
    provider: Literal[tuple(Provider.values)]
    account_number: Number = ""
    access_key_id: KeyId = ""
    secret_key: SecretKey = ""
    role_arn: Line = ""
    external_id: Line = ""


class AccountChange(Asked):
    """What may change on an account; what is left out stays. An empty secret key stays, too."""

    account_number: Number | None = None
    access_key_id: KeyId | None = None
    secret_key: SecretKey = ""
    role_arn: Line | None = None
    external_id: Line | None = None


def dress_account(row: CloudAccount) -> dict[str, Any]:
    """Return an account as answers have it."""
    names = ("name", "provider", "account_number", "access_key_id", "role_arn", "external_id",
             "created_at", "archived_at")  # fmt: skip
    plain = {name: getattr(row, name) for name in names}
    return plain | {"id": row.public_id, "has_secret_key": row.has_secret}


@router.get("/accounts", response=Accounts)
def list_accounts(request: HttpRequest, query: Query[query_of(AccountFilter)]):
    """Cloud accounts, by name."""
    require(request, "admin", None)
    return page(request, query, CloudAccount.objects.all(), ("name", "pk"), dress_account)


@router.post("/accounts", response={201: Account})
def create_account(request: HttpRequest, asked: NewAccount, response: HttpResponse):
    """Create a cloud account."""
    require(request, "admin", None)
    row = tenants_services.create_account(from_request(request), **asked.model_dump())
    made_at(response, "get_account", row.public_id)
    return dress_account(row)


@router.get("/accounts/{account_id}", response=Account)
def get_account(request: HttpRequest, account_id: Id):
    """One cloud account."""
    require(request, "admin", None)
    return dress_account(find(CloudAccount.objects.all(), account_id))


@router.patch("/accounts/{account_id}", response=Account)
def change_account(request: HttpRequest, account_id: Id, asked: AccountChange):
    """Change a cloud account. An empty key id takes its secret key off, too."""
    require(request, "admin", None)
    row = find(CloudAccount.objects.all(), account_id)
    fields = asked.model_dump(exclude={"secret_key"}, exclude_none=True)
    tenants_services.change_account(
        from_request(request), row, secret_key=asked.secret_key, **fields
    )
    return dress_account(find(CloudAccount.objects.all(), account_id))


@router.post("/accounts/{account_id}/check", response=shapes.Answers)
def check_cloud_account(request: HttpRequest, account_id: Id):
    """Ask the provider whom its key belongs to. Regions are checked at theirs."""
    require(request, "admin", None)
    row = find(CloudAccount.objects.all(), account_id)
    items = [
        {"code": one.code, "status": one.status, "detail": str(one.text)}
        for one in check_account(row)
    ]
    return {"items": items}


@router.post("/accounts/{account_id}/archive", response=Account)
def archive_account(request: HttpRequest, account_id: Id, asked: Archiving):
    """Hide an account that no living region is of."""
    require(request, "admin", None)
    row = find(CloudAccount.objects.all(), account_id)
    services.archive(from_request(request), row, asked.reason)
    return dress_account(find(CloudAccount.objects.all(), account_id))
