"""The page of one run and what people decide there."""

from django.urls import path

from deployments.views import run

urlpatterns = [
    path("runs/<str:run_id>/", run.run_page, name="run"),
    path("runs/<str:run_id>/live", run.run_live, name="run_live"),
    path("runs/<str:run_id>/plan.json", run.plan_json, name="run_plan_json"),
    path("runs/<str:run_id>/confirm", run.confirm, name="run_confirm"),
    path("runs/<str:run_id>/discard", run.discard, name="run_discard"),
    path("runs/<str:run_id>/cancel", run.cancel, name="run_cancel"),
    path("runs/<str:run_id>/force-cancel", run.force_cancel, name="run_force_cancel"),
    path("runs/<str:run_id>/retry", run.retry, name="run_retry"),
    path("runs/<str:run_id>/hold", run.hold, name="run_hold"),
    path("runs/<str:run_id>/handed/<str:name>", run.handed, name="run_handed"),
    path("runs/<str:run_id>/review", run.review, name="run_review"),
]
