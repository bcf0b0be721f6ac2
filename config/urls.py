"""Every address. Each app brings its own pages (urls.py) and its own part of the API (api/urls.py)."""

from allauth.account.decorators import secure_admin_login
from django.conf import settings
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from config import health, mailbox, styleguide

handler404 = "accounts.http.problems.not_found"
handler500 = "accounts.http.problems.server_error"
# Staff log in where everybody does, with their second factor.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

api: list[URLPattern | URLResolver] = [
    path("", include("billing.api.urls")),  # orders and leases: looked through from the top for each call
    path("", include("marketplace.api.urls")),
    path("", include("leasing.api.urls")),
    path("", include("energy.api.urls")),
    path("", include("accounts.api.urls")),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
]
urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/", include(api)),  # first: programs call most often, and each address above costs them
    path("", include("marketplace.urls")),
    path("", include("leasing.urls")),
    path("", include("billing.urls")),
    path("", include("energy.urls")),
    path("", include("accounts.urls")),
    path("account/", include("allauth.urls")),
    path("admin/", admin.site.urls),
    path("healthz", health.healthz),
    path("mailbox/", mailbox.index, name="mailbox"),
    path("mailbox/<str:name>/", mailbox.letter, name="mailbox_letter"),
]
if settings.DEBUG:
    urlpatterns.append(path("styleguide/", styleguide.StyleGuide.as_view()))
