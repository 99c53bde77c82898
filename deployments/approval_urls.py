"""Second persons, what is granted beforehand, and stacks that stand for a while."""

from django.urls import path

from deployments.views import approvals, ephemeral

urlpatterns = [
    path("approvals/", approvals.approval_list, name="approvals"),
    path("approvals/rule/", approvals.policy, name="approval_policy"),
    path("runs/<str:run_id>/approve", approvals.approve, name="run_approve"),
    path("runs/<str:run_id>/reject", approvals.reject, name="run_reject"),
    path("grants/", ephemeral.grant_list, name="grants"),
    path("grants/new/", ephemeral.grant_new, name="grant_new"),
    path("grants/<str:grant_id>/revoke/", ephemeral.grant_revoke, name="grant_revoke"),
    path("stacks/<str:stack_id>/end/", ephemeral.stack_end, name="stack_end"),
    path("stacks/<str:stack_id>/end/keep/", ephemeral.stack_keep, name="stack_keep"),
]
