"""Addresses of the inbox, of channels and of subscriptions."""

from django.urls import path

from notices.views import channels, inbox

urlpatterns = [
    path("inbox/", inbox.inbox, name="inbox"),
    path("inbox/read/", inbox.mark, name="inbox_read"),
    path("inbox/settings/", inbox.settings_page, name="inbox_settings"),
    path("inbox/<str:notice_id>/", inbox.follow, name="notice"),
    path("subscriptions/<str:subscription_id>/end/", inbox.end, name="subscription_end"),
    path("channels/", channels.channel_list, name="channels"),
    path("channels/new/", channels.channel_new, name="channel_new"),
    path("channels/<str:channel_id>/", channels.channel_page, name="channel"),
    path("channels/<str:channel_id>/listen/", channels.listen, name="channel_listen"),
    path("channels/<str:channel_id>/test/", channels.test, name="channel_test"),
    path("channels/<str:channel_id>/pause/", channels.pause, name="channel_pause"),
    path("channels/<str:channel_id>/key/", channels.new_key, name="channel_key"),
    path("channels/<str:channel_id>/archive/", channels.archive, name="channel_archive"),
    path("deliveries/<str:delivery_id>/", channels.delivery_page, name="delivery"),
    path("deliveries/<str:delivery_id>/again/", channels.again, name="delivery_again"),
]
