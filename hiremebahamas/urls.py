"""Every route of the project."""

from django.conf import settings
from django.conf.urls.static import static
from django.contrib import admin
from django.urls import include, path, re_path

from accounts import urls as accounts_urls
from accounts.openid_connect import urls as openid_connect_urls
from accounts.second_factor import urls as second_factor_urls
from accounts.token_keys.views import show_keys
from hiremebahamas import admin_login, api_docs, errors, health, home, icon

admin.site.site_header = admin.site.site_title = "HireMeBahamas"

urlpatterns = [
    # First, and not included: each pattern before a route, and each include(), costs its requests.
    *accounts_urls.urlpatterns,
    *second_factor_urls.urlpatterns,
    *openid_connect_urls.urlpatterns,
    path("", home.HomePage.as_view(), name="home"),
    path("admin/login/", admin_login.log_in),
    path("admin/password_change/", admin_login.change_password),
    path("admin/", admin.site.urls),
    path("api/schema", api_docs.SchemaView.as_view(), name="schema"),
    path("api/docs", api_docs.SwaggerPage.as_view(), name="swagger"),
    path("api/redoc", api_docs.RedocPage.as_view(), name="redoc"),
    path("favicon.ico", icon.show_icon, name="icon"),
    path(".well-known/jwks.json", show_keys, name="token_keys"),
    path("health/live", health.show_life, name="live"),
    path("health/ready", health.show_readiness, name="ready"),
    path("", include("usercache.observability.urls")),
    *static(settings.MEDIA_URL, document_root=settings.MEDIA_ROOT),  # while DEBUG is on
    # Last, so that an unknown path is answered in JSON while DEBUG is on, too.
    re_path("", errors.not_found),
]

handler400 = errors.bad_request
handler403 = errors.permission_denied
handler404 = errors.not_found
handler500 = errors.server_error
