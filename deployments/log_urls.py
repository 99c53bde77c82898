"""A run's log by plain GET."""

from django.urls import path

from deployments.views import logs

urlpatterns = [
    path("runs/<str:public_id>/log", logs.log, name="run-log"),
    path("runs/<str:public_id>/log/lines", logs.log_lines, name="run-log-lines"),
    path("runs/<str:public_id>/log/search", logs.log_search, name="run-log-search"),
    path("runs/<str:public_id>/log/tail", logs.log_tail, name="run-log-tail"),
]
