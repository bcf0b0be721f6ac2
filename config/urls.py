"""Every address. Each app brings its own pages (urls.py) and its own part of the API (api/urls.py)."""

from importlib.util import find_spec

from allauth.account.decorators import secure_admin_login
from django.conf import settings
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from config import health, mailbox

admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

APPS = ("accounts", "marketplace", "leasing", "billing")


def parts(*packages: str) -> list[URLResolver]:
    return [path("", include(f"{name}.urls")) for name in packages if find_spec(name) and find_spec(f"{name}.urls")]


api = [
    *parts(*(f"{app}.api" for app in APPS)),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
]
urlpatterns: list[URLPattern | URLResolver] = [
    *parts(*APPS),
    path("api/v1/", include(api)),
    path("account/", include("allauth.urls")),
    path("admin/", admin.site.urls),
    path("healthz", health.healthz),
]
handler404 = "accounts.http.problems.not_found"
handler500 = "accounts.http.problems.server_error"
if settings.EMBEDDED:
    urlpatterns += [path("mailbox/", mailbox.index, name="mailbox"), path("mailbox/<str:name>/", mailbox.letter)]
