"""The page of one run and what people decide there."""

from django.urls import path

from deployments.views import run

urlpatterns = [
    path("runs/<str:run_id>/", run.run_page, name="run"),
]
