"""Notices: one's own inbox and subscriptions, and channels with their deliveries."""

from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import Http404, HttpRequest, HttpResponse
from ninja import Query, Router
from pydantic import Field

from api import shapes
from api.doors import chosen, cleaned, made_at
from api.paging import Page, page, query_of
from api.routes.places import Archiving, Id
from api.values import PATTERN, Asked, Name, Shape, Truth
from deployments.views.doors import find, require
from notices import services
from notices.events import EVENTS, tell
from notices.filters import ChannelFilter, DeliveryFilter, NoticeFilter
from notices.forms import ChannelForm, SubscriptionForm
from notices.models import Channel, ChannelKind, Delivery, DeliveryStatus, Notice, Subscription
from tenants.access import KINDS
from tenants.actors import from_request
from tenants.errors import NotAllowed
from tenants.models import Region

router = Router(tags=["notices"])
MOST_MARKED = 200
Url = Annotated[str, Field(max_length=2000, pattern=PATTERN, json_schema_extra={"writeOnly": True})]
Table = Annotated[str, Field(max_length=255, pattern=PATTERN)]
Event = Literal[tuple(EVENTS)]


class NoticeShape(Shape):
    """A line of one's own inbox."""

    id: str
    event: str
    text: str
    stack: str
    run: str
    created_at: datetime
    read_at: datetime | None


class Notices(Page):
    """A page of notices."""

    items: list[NoticeShape]


class Marking(Asked):
    """Which of one's own notices are read, or unread again; none named: all of them."""

    notices: Annotated[list[Name], Field(max_length=MOST_MARKED)] | None = None
    on: Truth = True


class Marked(Shape):
    """How many were marked."""

    count: int


class SubscriptionShape(Shape):
    """What somebody or a channel listens to."""

    id: str
    events: list[str]
    over: str
    by_email: bool
    created_at: datetime


class Subscriptions(Shape):
    """What one listens to."""

    items: list[SubscriptionShape]


class Listening(Asked):
    """Events, and over what: `own`, `everything`, or such as `region:<id>`, `tenant:<id>`."""

    events: Annotated[list[Event], Field(max_length=len(EVENTS))] = Field(default_factory=list)
    over: Annotated[str, Field(max_length=64, pattern=PATTERN)] = "everything"


class OwnListening(Listening):
    """The same for oneself, by e-mail, too, if wanted."""

    by_email: Truth = False


class ChannelShape(Shape):
    """A channel. Of its address only the host: the rest is a secret."""

    id: str
    name: str
    kind: Literal[tuple(ChannelKind.values)]
    address: str
    region: shapes.Ref | None
    table_name: str
    follows_redirects: bool
    is_paused: bool
    failing_since: datetime | None
    last_error: str
    last_sent_at: datetime | None
    archived_at: datetime | None
    subscriptions: list[SubscriptionShape]


class ChannelMade(ChannelShape):
    """A channel that was just made; a webhook's signing key is told this once."""

    key: str | None


class SigningKey(Shape):
    """A webhook's new signing key, told this once."""

    key: str


class Channels(Page):
    """A page of channels."""

    items: list[ChannelShape]


class NewChannel(Asked):
    """A channel: an address, or for a status table a region's id and the table's name."""

    name: Name
    kind: Literal[tuple(ChannelKind.values)]
    url: Url = ""
    follows_redirects: Truth = False
    region: Name | None = None
    table_name: Table = ""


class ChannelChange(Asked):
    """What may change on a channel; what is left out stays."""

    name: Name | None = None
    url: Url = ""
    follows_redirects: Truth | None = None
    region: Name | None = None
    table_name: Table | None = None


class ChannelPausing(Asked):
    """Whether nothing is sent over it for now."""

    on: Truth


class DeliveryShape(Shape):
    """One message on its way to a channel."""

    id: str
    channel: str
    event: str
    subject: str
    status: Literal[tuple(DeliveryStatus.values)]
    attempts: int
    message_id: str
    error: str
    created_at: datetime
    ended_at: datetime | None


class Deliveries(Page):
    """A page of deliveries."""

    items: list[DeliveryShape]


class DeliveryWhole(DeliveryShape):
    """A delivery with what was sent."""

    payload: dict[str, Any]


def _notice(row: Notice) -> dict[str, Any]:
    return {
        "id": row.public_id,
        "event": row.event,
        "text": str(tell(row.event, row.facts)),
        "stack": str(row.facts.get("stack") or ""),
        "run": row.run_public_id,
        "created_at": row.created_at,
        "read_at": row.read_at,
    }


def _subscription(row: Subscription) -> dict[str, Any]:
    return {
        "id": row.public_id,
        "events": row.events,
        "over": row.scope_text,
        "by_email": row.by_email,
        "created_at": row.created_at,
    }


def _channel(row: Channel) -> dict[str, Any]:
    names = ("name", "kind", "table_name", "follows_redirects", "is_paused", "failing_since",
             "last_sent_at", "archived_at")  # fmt: skip
    region = row.region
    held = row.subscriptions.select_related("region", "shared_environment", "tenant", "stack")
    return {name: getattr(row, name) for name in names} | {
        "id": row.public_id,
        "address": row.shown_as,
        "region": {"id": region.public_id, "name": region.slug} if region else None,
        "last_error": row.last_error_text,
        "subscriptions": [_subscription(one) for one in held],
    }


def _delivery(row: Delivery) -> dict[str, Any]:
    names = ("event", "subject", "status", "attempts", "message_id", "created_at", "ended_at")
    return {name: getattr(row, name) for name in names} | {
        "id": row.public_id,
        "channel": row.channel.public_id,
        "error": row.last_error_text,
    }


# -- one's own -------------------------------------------------------------------------------
def _require_more_than_looking(request: HttpRequest) -> None:
    """Raise NotAllowed for a token that may see and do nothing else."""
    if request.user.limits is not None and request.user.limits.kinds <= {"view"}:
        raise NotAllowed(actor=request.user.display_name, target="omlsaas", kind=KINDS["change"])


@router.get("/inbox", response=Notices)
def list_notices(request: HttpRequest, query: Query[query_of(NoticeFilter)]):
    """Your own notices, the newest first."""
    rows = Notice.objects.visible_to(request.user)
    return page(request, query, rows, ("-pk",), _notice)


@router.post("/inbox/read", response=Marked)
def mark_notices(request: HttpRequest, asked: Marking):
    """Mark your own notices as read, or as unread again."""
    _require_more_than_looking(request)
    return {"count": services.mark_read(request.user, asked.notices, on=asked.on)}


@router.get("/subscriptions", response=Subscriptions)
def list_subscriptions(request: HttpRequest):
    """What you listen to yourself."""
    held = Subscription.objects.filter(user=request.user).order_by("pk")
    held = held.select_related("region", "shared_environment", "tenant", "stack")
    return {"items": [_subscription(row) for row in held]}


@router.post("/subscriptions", response={201: SubscriptionShape})
def subscribe(request: HttpRequest, asked: OwnListening, response: HttpResponse):
    """Listen to events over what you may see."""
    _require_more_than_looking(request)
    chosen_ = cleaned(SubscriptionForm(asked.model_dump(), user=request.user), "chosen")
    row = services.subscribe(from_request(request), request.user, **chosen_)
    made_at(response, "get_subscription", row.public_id)
    return _subscription(row)


def _held(request: HttpRequest, subscription_id: str) -> Subscription:
    """Return one's own subscription, or for an admin one of a channel."""
    row = find(Subscription.objects.select_related("user", "channel"), subscription_id)
    if row.channel is None and row.user_id != request.user.pk:
        raise Http404
    if row.channel is not None:
        require(request, "admin", None)
    return row


@router.get("/subscriptions/{subscription_id}", response=SubscriptionShape)
def get_subscription(request: HttpRequest, subscription_id: Id):
    """One subscription of yours, or as an admin one of a channel."""
    return _subscription(_held(request, subscription_id))


@router.delete("/subscriptions/{subscription_id}", response={204: None})
def end_subscription(request: HttpRequest, subscription_id: Id):
    """End a subscription: your own, or as an admin one of a channel."""
    _require_more_than_looking(request)
    services.unsubscribe(from_request(request), _held(request, subscription_id))


# -- channels --------------------------------------------------------------------------------
def _find(request: HttpRequest, channel_id: str) -> Channel:
    require(request, "admin", None)
    return find(Channel.objects.select_related("region"), channel_id)


@router.get("/channels", response=Channels)
def list_channels(request: HttpRequest, query: Query[query_of(ChannelFilter)]):
    """Channels, by name."""
    require(request, "admin", None)
    rows = Channel.objects.select_related("region")
    return page(request, query, rows, ("name", "pk"), _channel)


@router.post("/channels", response={201: ChannelMade})
def create_channel(request: HttpRequest, asked: NewChannel, response: HttpResponse):
    """Make a channel; the answer has a webhook's signing key."""
    require(request, "admin", None)
    region = chosen(Region.objects.living(), "region", asked.region)
    data = cleaned(ChannelForm(asked.model_dump() | {"region": region.pk if region else ""}))
    row, key = services.create_channel(from_request(request), **data)
    made_at(response, "get_channel", row.public_id)
    return _channel(row) | {"key": key or None}


@router.get("/channels/{channel_id}", response=ChannelShape)
def get_channel(request: HttpRequest, channel_id: Id):
    """One channel with what it listens to."""
    return _channel(_find(request, channel_id))


@router.patch("/channels/{channel_id}", response=ChannelShape)
def change_channel(request: HttpRequest, channel_id: Id, asked: ChannelChange):
    """Change a channel; without an address it keeps the one that it has."""
    row = _find(request, channel_id)
    now = {name: getattr(row, name) for name in ("name", "follows_redirects", "table_name")}
    given = asked.model_dump(exclude_none=True, exclude={"region"})
    region = chosen(Region.objects.living(), "region", asked.region) or row.region
    place = {"region": region.pk if region else ""}
    data = cleaned(ChannelForm(now | given | place, channel=row))
    data.setdefault("follows_redirects", row.follows_redirects)
    services.change_channel(from_request(request), row, **data)
    return _channel(_find(request, channel_id))


@router.post("/channels/{channel_id}/subscriptions", response={201: SubscriptionShape})
def let_channel_listen(
    request: HttpRequest, channel_id: Id, asked: Listening, response: HttpResponse
):
    """Let a channel listen to events; a status table takes those of steps."""
    row = _find(request, channel_id)
    form = SubscriptionForm(asked.model_dump(), user=request.user, channel=row)
    made = services.subscribe(from_request(request), row, **cleaned(form, "chosen"))
    made_at(response, "get_subscription", made.public_id)
    return _subscription(made)


@router.post("/channels/{channel_id}/test", response=DeliveryShape)
def test_channel(request: HttpRequest, channel_id: Id):
    """Send a test at once and tell how it went."""
    return _delivery(services.test_channel(from_request(request), _find(request, channel_id)))


@router.post("/channels/{channel_id}/pause", response=ChannelShape)
def pause_channel(request: HttpRequest, channel_id: Id, asked: ChannelPausing):
    """Send nothing over a channel for now, or go on; what happens meanwhile waits."""
    services.pause_channel(from_request(request), _find(request, channel_id), asked.on)
    return _channel(_find(request, channel_id))


@router.post("/channels/{channel_id}/key", response=SigningKey)
def renew_channel_key(request: HttpRequest, channel_id: Id):
    """Give a webhook another signing key; the old one signs nothing any more."""
    return {"key": services.renew_key(from_request(request), _find(request, channel_id))}


@router.post("/channels/{channel_id}/archive", response=ChannelShape)
def archive_channel(request: HttpRequest, channel_id: Id, asked: Archiving):
    """Close a channel for good: its address and key are forgotten."""
    services.archive_channel(from_request(request), _find(request, channel_id), asked.reason)
    return _channel(_find(request, channel_id))


# -- deliveries ------------------------------------------------------------------------------
def _deliveries():
    rows = Delivery.objects.filter(channel__isnull=False)
    return rows.select_related("channel")


@router.get("/channels/{channel_id}/deliveries", response=Deliveries)
def list_deliveries(request: HttpRequest, channel_id: Id, query: Query[query_of(DeliveryFilter)]):
    """Messages of a channel, the newest first."""
    rows = _deliveries().filter(channel=_find(request, channel_id))
    return page(request, query, rows, ("-pk",), _delivery)


@router.get("/deliveries/{delivery_id}", response=DeliveryWhole)
def get_delivery(request: HttpRequest, delivery_id: Id):
    """One message with what was sent."""
    require(request, "admin", None)
    row = find(_deliveries(), delivery_id)
    return _delivery(row) | {"payload": row.payload}


@router.post("/deliveries/{delivery_id}/again", response={202: DeliveryShape})
def redeliver(request: HttpRequest, delivery_id: Id, response: HttpResponse):
    """Send a message once more, under the same message id."""
    require(request, "admin", None)
    row = services.redeliver(from_request(request), find(_deliveries(), delivery_id))
    made_at(response, "get_delivery", row.public_id)
    return _delivery(row)
