"""Every address of the portal."""

from django.contrib import admin
from django.urls import include, path

handler400 = "deployments.views.failures.bad_request"
handler403 = "deployments.views.failures.forbidden"
handler404 = "deployments.views.failures.not_found"
handler429 = "deployments.views.signin.too_many"
handler500 = "deployments.views.failures.server_error"

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("deployments.signin_urls")),
    path("", include("api.urls")),
    path("", include("deployments.urls")),
    path("", include("deployments.token_urls")),
    path("", include("deployments.run_urls")),
    path("", include("deployments.log_urls")),
    path("", include("notices.urls")),
    path("", include("deployments.approval_urls")),
]
