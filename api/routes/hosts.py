"""Hosts of stacks: which there are, whose keys are known, and their inventory."""

from datetime import datetime
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router
from pydantic import Field, JsonValue

from api.doors import made_at
from api.filters import HostFilter
from api.paging import Page, page, query_of
from api.routes.places import Archiving, Id
from api.routes.tenants import kind_of
from api.values import Asked, Shape, Truth, Whole
from deployments.views.doors import find, require
from deployments.views.hosts import MAX_INVENTORY_BYTES, RELATED
from tenants import audit, hosts, inventory, inventoryimport
from tenants.actors import from_request
from tenants.blueprints import HostRules
from tenants.effective import effective_inputs
from tenants.models import Host, Stack

router = Router(tags=["hosts"])
Port = Annotated[Whole, Field(ge=1, le=65535)]
Key = Annotated[str, Field(max_length=20_000, json_schema_extra={"writeOnly": True})]
LongName = Annotated[str, Field(max_length=255)]
User = Annotated[str, Field(max_length=32)]


class HostShape(Shape):
    """A machine of a stack that is configured over SSH. No key of ours is in it."""

    id: str
    name: str
    role: str
    address: str
    lan_address: str
    port: int
    user: str
    python: str
    is_made: bool = Field(description="Made with the stack's infrastructure: not changed by hand.")
    has_ssh_key: bool
    fingerprint: str = Field(description="Of the confirmed host key; empty before.")
    offered_fingerprint: str = Field(description="Of another key that waits for a yes.")
    pinned_at: datetime | None
    pinned_by: str
    archived_at: datetime | None


class Hosts(Page):
    """A page of hosts."""

    items: list[HostShape]


class NewHost(Asked):
    """A host; without `ssh_key` the worker's agent is asked."""

    name: Annotated[str, Field(min_length=1, max_length=32)]
    role: Annotated[str, Field(min_length=1, max_length=32)]
    address: Annotated[str, Field(min_length=1, max_length=255)]
    lan_address: LongName = ""
    port: Port = 22
    user: User = "root"
    python: LongName = ""
    ssh_key: Key = ""


class HostChange(Asked):
    """What may change on a host; what is left out stays. A null `ssh_key` takes it off."""

    name: Annotated[str, Field(min_length=1, max_length=32)] | None = None
    role: Annotated[str, Field(min_length=1, max_length=32)] | None = None
    address: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    lan_address: LongName | None = None
    port: Port | None = None
    user: User | None = None
    python: LongName | None = None
    ssh_key: Key | None = ""


class Pinning(Asked):
    """The fingerprint that was compared with the host's own console."""

    fingerprint: Annotated[str, Field(min_length=1, max_length=200)]


class Inventory(Asked):
    """An `inventory.yml` of another tool: hosts, and variables that the blueprint knows."""

    inventory: Annotated[str, Field(min_length=1, max_length=MAX_INVENTORY_BYTES)]
    is_dry_run: Truth = Field(True, description="True only tells what would come.")


class FoundHost(Shape):
    """A host as an inventory tells it."""

    name: str
    role: str
    address: str
    lan_address: str
    port: int
    user: str
    python: str


class TakenInput(Shape):
    """A variable of an inventory with its place here."""

    old: str = Field(description="What the inventory calls it.")
    name: str
    value: JsonValue
    before: JsonValue = Field(description="What holds now: a value, or the default.")


class LeftThere(Shape):
    """A variable, or a host, that does not come, and why."""

    old: str
    why: str


class Found(Shape):
    """What an inventory brings; of secrets only the names."""

    hosts: list[FoundHost]
    inputs: list[TakenInput]
    secrets: list[str]
    left: list[LeftThere]
    same: list[str] = Field(description="Hosts and inputs that are here already.")
    still_needed: list[str] = Field(description="Inputs that an install will ask for.")
    not_judged: str = Field(description="Why the blueprint's rules were not asked; or empty.")
    is_taken: bool


def dress_host(row: Host) -> dict[str, Any]:
    """Return a host as answers have it."""
    plain = {name: getattr(row, name) for name in hosts.FIELDS}
    return plain | {
        "id": row.public_id,
        "is_made": row.is_made,
        "has_ssh_key": row.has_secret,
        "fingerprint": row.fingerprint,
        "offered_fingerprint": row.offered_fingerprint,
        "pinned_at": row.pinned_at,
        "pinned_by": row.pinned_by,
        "archived_at": row.archived_at,
    }


def _stack(request: HttpRequest, stack_id: str) -> tuple[Stack, HostRules]:
    """Return a stack and which hosts it may have. Raises HostRefused where it has none."""
    stack = find(Stack.objects.visible_to(request.user).select_related(*RELATED), stack_id)
    kind_of(stack.blueprint, stack.kind)
    return stack, hosts.rules_of(stack)


def _host(request: HttpRequest, host_id: str) -> Host:
    related = (f"stack__{name}" for name in RELATED)
    return find(Host.objects.visible_to(request.user).select_related(*related), host_id)


@router.get("/stacks/{stack_id}/hosts", response=Hosts)
def list_hosts(request: HttpRequest, stack_id: Id, query: Query[query_of(HostFilter)]):
    """Hosts of a stack, by name."""
    stack = find(Stack.objects.visible_to(request.user), stack_id)
    rows = Host.objects.filter(stack=stack)
    return page(request, query, rows, ("name", "pk"), dress_host)


@router.post("/stacks/{stack_id}/hosts", response={201: HostShape})
def add_host(request: HttpRequest, stack_id: Id, asked: NewHost, response: HttpResponse):
    """Add a host to a stack. Its key is confirmed after the first contact."""
    stack = find(Stack.objects.visible_to(request.user).select_related(*RELATED), stack_id)
    require(request, "change", stack)
    kind_of(stack.blueprint, stack.kind)
    row = hosts.add_host(from_request(request), stack, **asked.model_dump())
    made_at(response, "get_host", row.public_id)
    return dress_host(row)


@router.get("/stacks/{stack_id}/inventory", response={200: None})
def get_inventory(request: HttpRequest, stack_id: Id):
    """The stack's `inventory.yml`: hosts, groups and plain inputs, no secret."""
    stack, rules = _stack(request, stack_id)
    text = inventory.export(stack.hosts.living(), rules, effective_inputs(stack))
    audit.took(from_request(request), "inventory.yml", stack)
    return HttpResponse(text, content_type="application/yaml")


@router.post("/stacks/{stack_id}/inventory", response=Found)
def read_inventory(request: HttpRequest, stack_id: Id, asked: Inventory):
    """Tell what an inventory brings, or take it over: all of it, or nothing."""
    stack = find(Stack.objects.visible_to(request.user).select_related(*RELATED), stack_id)
    require(request, "change", stack)
    kind_of(stack.blueprint, stack.kind)
    found = inventoryimport.preview(stack, asked.inventory)
    if not asked.is_dry_run:
        inventoryimport.take_over(from_request(request), stack, found)
    return {**found.to_json(), "is_taken": not asked.is_dry_run}


@router.get("/hosts/{host_id}", response=HostShape)
def get_host(request: HttpRequest, host_id: Id):
    """One host, a removed one as well."""
    return dress_host(_host(request, host_id))


@router.patch("/hosts/{host_id}", response=HostShape)
def change_host(request: HttpRequest, host_id: Id, asked: HostChange):
    """Change a host. With another address or port its confirmed key is forgotten."""
    row = _host(request, host_id)
    require(request, "change", row.stack)
    kind_of(row.stack.blueprint, row.stack.kind)
    fields = asked.model_dump(exclude={"ssh_key"}, exclude_none=True)
    hosts.change_host(from_request(request), row, ssh_key=asked.ssh_key, **fields)
    return dress_host(_host(request, host_id))


@router.post("/hosts/{host_id}/pin", response=HostShape)
def pin_host(request: HttpRequest, host_id: Id, asked: Pinning):
    """Confirm the key that the host showed at the first contact."""
    row = _host(request, host_id)
    require(request, "change", row.stack)
    hosts.pin_key(from_request(request), row, asked.fingerprint)
    return dress_host(_host(request, host_id))


@router.post("/hosts/{host_id}/remove", response=HostShape)
def remove_host(request: HttpRequest, host_id: Id, asked: Archiving):
    """Take a host out of its stack; what runs on it stays as it is."""
    row = _host(request, host_id)
    require(request, "destroy", row.stack)
    hosts.remove_host(from_request(request), row, asked.reason)
    return dress_host(_host(request, host_id))
