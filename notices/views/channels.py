"""Channels: ways to tell programs and rooms, what they listen to, and each delivery."""

import json
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from deployments.forms import ArchiveForm
from deployments.links import link
from deployments.listing import Column, Listing, export, show
from deployments.views.doors import attempt, find, require
from notices import services
from notices.events import words
from notices.filters import ChannelFilter, DeliveryFilter
from notices.forms import ChannelForm, SubscriptionForm
from notices.models import Channel, ChannelKind, Delivery, DeliveryStatus
from omlsaas.lib.refusals import Refusal, sentence
from tenants.actors import from_request

COLUMNS = (
    Column("name", _("Channel"), ("name",)),
    Column("kind", _("Kind"), ("kind",)),
    Column("address", _("Address"), ("shown_as",)),
    Column("state", _("State"), ("failing_since",)),
    Column("sent", _("Last delivered"), ("last_sent_at",)),
)
DELIVERIES = (
    Column("event", _("Event"), ("event",)),
    Column("subject", _("About"), ("subject",)),
    Column("status", _("Status"), ("status",)),
    Column("attempts", _("Attempts"), ("attempts",), "text-end"),
    Column("made", _("Made"), ("pk",)),
)
TONES = {"waiting": ("idle", "clock"), "sent": ("ok", "circle-check"),
         "failed": ("bad", "circle-x"), "refused": ("bad", "ban")}  # fmt: skip


def channel_list(request: HttpRequest) -> HttpResponse:
    """Show the channels to admins."""
    require(request, "admin", None)
    filters = ChannelFilter(request.GET, Channel.objects.all(), request=request)
    listing = Listing(request, filters, COLUMNS, default="name")
    if listing.wants_csv:
        return _export(listing)
    for channel in listing.rows:
        channel.href = link("channel", channel.public_id)
    return show(request, "notices/channel_list.html", listing, {"section": "channels"})


def _export(listing: Listing) -> HttpResponse:
    header = ("channel", "kind", "address", "paused", "failing_since", "last_delivered", "archived")

    def cells(row: Channel) -> tuple[Any, ...]:
        place = (row.name, row.kind, row.shown_as, row.is_paused)
        return (*place, row.failing_since, row.last_sent_at, row.archived_at)

    return export(listing, "channels", header, cells)


def channel_new(request: HttpRequest) -> HttpResponse:
    """Create a channel; a webhook's key is shown on the page that follows, once."""
    require(request, "admin", None)
    form = ChannelForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        actor, data = from_request(request), form.cleaned_data
        made = attempt(form, lambda: services.create_channel(actor, **data), name_field="name")
        if made is not None:
            channel, key = made
            if key:
                return _show_key(request, channel, key)
            return redirect(link("channel", channel.public_id))
    return render(request, "notices/channel_new.html", {"form": form, "section": "channels"})


def _show_key(request: HttpRequest, channel: Channel, key: str) -> HttpResponse:
    context = {
        "section": "channels",
        "channel": channel,
        "key": key,
        "back": link("channel", channel.public_id),
    }
    response = render(request, "notices/key.html", context)
    response["Cache-Control"] = "no-store"
    return response


def _find(request: HttpRequest, channel_id: str) -> Channel:
    require(request, "admin", None)
    return find(Channel.objects.select_related("region"), channel_id)


def channel_page(request: HttpRequest, channel_id: str) -> HttpResponse:
    """Show a channel with its settings, what it listens to, and its deliveries."""
    channel = _find(request, channel_id)
    form = None if channel.is_archived else ChannelForm(request.POST or None, channel=channel)
    if request.method == "POST" and form is not None and form.is_valid():
        actor, data = from_request(request), form.cleaned_data
        change = services.change_channel
        data.setdefault("follows_redirects", channel.follows_redirects)
        if attempt(form, lambda: change(actor, channel, **data), name_field="name") is not None:
            messages.success(request, _t("Saved."))
            return redirect(link("channel", channel.public_id))
    return _show(request, channel, form)


def _show(
    request: HttpRequest,
    channel: Channel,
    form: ChannelForm | None,
    listen_form: SubscriptionForm | None = None,
) -> HttpResponse:
    filters = DeliveryFilter(request.GET, channel.deliveries.all(), request=request)
    listing = Listing(request, filters, DELIVERIES, default="-made")
    if listing.wants_csv:
        return _export_deliveries(listing, channel)
    for delivery in listing.rows:
        delivery.href = link("delivery", delivery.public_id)
        delivery.words = words(delivery.event)
        delivery.tone, delivery.icon = TONES[delivery.status]
    held = channel.subscriptions.select_related(
        "region", "shared_environment", "tenant", "stack", "channel"
    )
    context = {
        "section": "channels",
        "channel": channel,
        "form": form,
        "listen": listen_form or SubscriptionForm(user=request.user, channel=channel),
        "rows": [(row, ", ".join(words(event) for event in row.events)) for row in held],
        "is_signed": channel.kind == ChannelKind.WEBHOOK,
        "address": link("channel", channel.public_id),
    }
    return show(request, "notices/channel.html", listing, context)


def _export_deliveries(listing: Listing, channel: Channel) -> HttpResponse:
    header = ("made", "event", "about", "status", "attempts", "ended", "error", "message")

    def cells(row: Delivery) -> tuple[Any, ...]:
        what = (row.created_at, row.event, row.subject, row.status, row.attempts, row.ended_at)
        return (*what, row.last_error_text, row.message_id)

    return export(listing, f"deliveries-{channel.public_id}", header, cells)


@require_POST
def listen(request: HttpRequest, channel_id: str) -> HttpResponse:
    """Let a channel listen to more."""
    channel = _find(request, channel_id)
    form = SubscriptionForm(request.POST, user=request.user, channel=channel)
    if form.is_valid():
        actor, chosen = from_request(request), form.chosen()
        if attempt(form, lambda: services.subscribe(actor, channel, **chosen)) is not None:
            return redirect(link("channel", channel.public_id))
    return _show(request, channel, ChannelForm(channel=channel), form)


@require_POST
def test(request: HttpRequest, channel_id: str) -> HttpResponse:
    """Send a test and say how it went."""
    channel = _find(request, channel_id)
    try:
        delivery = services.test_channel(from_request(request), channel)
    except Refusal as refusal:
        messages.error(request, str(refusal))
    else:
        if delivery.status == DeliveryStatus.SENT:
            messages.success(request, _t("The test was delivered."))
        else:
            messages.error(request, delivery.last_error_text)
    return redirect(link("channel", channel.public_id))


@require_POST
def pause(request: HttpRequest, channel_id: str) -> HttpResponse:
    """Pause a channel, or resume it."""
    return _act(request, channel_id, services.pause_channel, request.POST.get("on") == "1")


def _act(request: HttpRequest, channel_id: str, service: Any, *more: Any) -> HttpResponse:
    channel = _find(request, channel_id)
    try:
        service(from_request(request), channel, *more)
    except Refusal as refusal:
        messages.error(request, str(refusal))
    return redirect(link("channel", channel.public_id))


@require_POST
def new_key(request: HttpRequest, channel_id: str) -> HttpResponse:
    """Give a webhook another signing key, and show it once."""
    channel = _find(request, channel_id)
    try:
        key = services.renew_key(from_request(request), channel)
    except Refusal as refusal:
        messages.error(request, str(refusal))
        return redirect(link("channel", channel.public_id))
    return _show_key(request, channel, key)


def archive(request: HttpRequest, channel_id: str) -> HttpResponse:
    """Ask for the reason and close a channel for good."""
    channel = _find(request, channel_id)
    back = link("channel", channel.public_id)
    form = ArchiveForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        actor, reason = from_request(request), form.cleaned_data["reason"]
        try:
            services.archive_channel(actor, channel, reason)
            return redirect("channels")
        except Refusal as refusal:
            form.add_error(None, str(refusal))
    context = {"form": form, "thing": channel, "back": back, "section": "channels"}
    return render(request, "deployments/archive.html", context)


def delivery_page(request: HttpRequest, delivery_id: str) -> HttpResponse:
    """Show one delivery: what was sent, and how each attempt went."""
    delivery = _find_delivery(request, delivery_id)
    tone, icon = TONES[delivery.status]
    context = {
        "section": "channels",
        "delivery": delivery,
        "tone": tone,
        "icon": icon,
        "words": words(delivery.event),
        "back": link("channel", delivery.channel.public_id),
        "tries": [{**one, "why": sentence(one.get("error"))} for one in reversed(delivery.tries)],
        "payload": json.dumps(delivery.payload, indent=2, ensure_ascii=False),
    }
    return render(request, "notices/delivery.html", context)


def _find_delivery(request: HttpRequest, delivery_id: str) -> Delivery:
    require(request, "admin", None)
    rows = Delivery.objects.filter(channel__isnull=False)
    return find(rows.select_related("channel", "redelivery_of"), delivery_id)


@require_POST
def again(request: HttpRequest, delivery_id: str) -> HttpResponse:
    """Send a message once more."""
    delivery = _find_delivery(request, delivery_id)
    try:
        made = services.redeliver(from_request(request), delivery)
    except Refusal as refusal:
        messages.error(request, str(refusal))
        return redirect(link("delivery", delivery.public_id))
    messages.success(request, _t("It is sent again within a few seconds."))
    return redirect(link("delivery", made.public_id))
