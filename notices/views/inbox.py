"""A person's notices, and what they listen to."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from deployments.links import link
from deployments.listing import Column, Listing, export, show
from deployments.views.doors import attempt, require
from notices import services
from notices.events import OWN, tell, words
from notices.filters import NoticeFilter
from notices.forms import SubscriptionForm
from notices.models import Notice, Subscription
from notices.payloads import address_of
from tenants.actors import from_request

COLUMNS = (
    Column("what", _("Notice")),
    Column("event", _("Event"), ("event",)),
    Column("time", _("When"), ("pk",)),
    Column("end", ""),
)
TONES = {"errored": "bad", "failed": "bad", "lost": "lost", "suspect": "lost", "planned": "wait",
         "asked": "wait", "drift": "drift", "applied": "ok", "planned_and_finished": "ok",
         "expiring": "wait"}  # fmt: skip
MOST_MARKED = 200


def inbox(request: HttpRequest) -> HttpResponse:
    """Show the person's own notices, the newest first."""
    rows = Notice.objects.visible_to(request.user)
    filters = NoticeFilter(request.GET, rows, request=request)
    listing = Listing(request, filters, COLUMNS, default="-time")
    if listing.wants_csv:
        return _export(listing)
    for notice in listing.rows:
        notice.text = tell(notice.event, notice.facts)
        notice.words = words(notice.event)
        notice.tone = TONES.get(notice.event.partition(".")[2], "idle")
        notice.href = link("notice", notice.public_id)
    context = {"section": "inbox", "has_unread": rows.filter(read_at__isnull=True).exists()}
    return show(request, "notices/inbox.html", listing, context)


def _export(listing: Listing) -> HttpResponse:
    header = ("time", "event", "text", "stack", "run", "read")

    def cells(row: Notice) -> tuple[Any, ...]:
        facts = row.facts
        names = (facts.get("stack"), facts.get("run"))
        return (row.created_at, row.event, tell(row.event, facts), *names, row.read_at)

    return export(listing, "notices", header, cells)


def follow(request: HttpRequest, notice_id: str) -> HttpResponse:
    """Mark a notice as read and go to what it is about.

    A GET, so that it is an ordinary link: reading one's own line changes nothing for others.
    """
    notice = Notice.objects.visible_to(request.user).filter(public_id=notice_id).first()
    if notice is None:
        raise Http404
    services.mark_read(request.user, [notice.public_id])
    return redirect(address_of(notice.facts))


@require_POST
def mark(request: HttpRequest) -> HttpResponse:
    """Mark notices as read or unread: those that are named, all when `all` is sent."""
    named = None if "all" in request.POST else request.POST.getlist("id")[:MOST_MARKED]
    on = request.GET.get("on", "1") == "1"
    count = services.mark_read(request.user, named, on=on)
    if named is None:
        text = ngettext("%(n)s notice is read.", "%(n)s notices are read.", count)
        messages.success(request, text % {"n": count})
    return redirect("inbox")


def settings_page(request: HttpRequest) -> HttpResponse:
    """Show what the person listens to, and add to it."""
    form = SubscriptionForm(request.POST or None, user=request.user)
    if request.method == "POST" and form.is_valid():
        actor, chosen = from_request(request), form.chosen()
        if attempt(form, lambda: services.subscribe(actor, request.user, **chosen)) is not None:
            messages.success(request, _t("Saved."))
            return redirect("inbox_settings")
    held = Subscription.objects.filter(user=request.user)
    held = held.select_related("region", "shared_environment", "tenant", "stack").order_by("id")
    rows = [(row, ", ".join(words(event) for event in row.events)) for row in held]
    context = {
        "section": "inbox",
        "form": form,
        "rows": rows,
        "has_own": any(row.is_own for row, _words in rows),
        "own_words": ", ".join(words(event) for event in OWN),
        "has_mail": bool(settings.EMAIL_URL),
    }
    return render(request, "notices/settings.html", context)


@require_POST
def end(request: HttpRequest, subscription_id: str) -> HttpResponse:
    """End a subscription: one's own, or an admin one of a channel."""
    rows = Subscription.objects.select_related("user", "channel")
    subscription = get_object_or_404(rows, public_id=subscription_id)
    channel = subscription.channel
    if channel is None and subscription.user_id != request.user.pk:
        raise Http404
    if channel is not None:
        require(request, "admin", None)
    services.unsubscribe(from_request(request), subscription)
    return redirect(link("channel", channel.public_id) if channel else "inbox_settings")
