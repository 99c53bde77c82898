"""API tokens and service accounts."""

from django.urls import path

from deployments.views import service_accounts, tokens

urlpatterns = [
    path("profile/tokens/", tokens.token_list, name="tokens"),
    path("profile/tokens/new/", tokens.token_new, name="token_new"),
    path("profile/tokens/<str:token_id>/revoke/", tokens.token_revoke, name="token_revoke"),
    path("service-accounts/", service_accounts.account_list, name="service_accounts"),
    path("service-accounts/new/", service_accounts.account_new, name="service_account_new"),
    path(
        "service-accounts/<str:account_id>/close/",
        service_accounts.account_close,
        name="service_account_close",
    ),
]
