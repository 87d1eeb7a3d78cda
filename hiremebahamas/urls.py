"""Every route of the project."""

from django.conf import settings
from django.conf.urls.static import static
from django.contrib import admin
from django.urls import include, path, re_path

from hiremebahamas import api_docs, errors, health, icon

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/schema", api_docs.SchemaView.as_view(), name="schema"),
    path("api/docs", api_docs.SwaggerPage.as_view(), name="swagger"),
    path("api/redoc", api_docs.RedocPage.as_view(), name="redoc"),
    path("favicon.ico", icon.show_icon, name="icon"),
    path("health/live", health.show_life, name="live"),
    path("health/ready", health.show_readiness, name="ready"),
    path("", include("usercache.urls")),
    path("", include("accounts.urls")),
    *static(settings.MEDIA_URL, document_root=settings.MEDIA_ROOT),  # while DEBUG is on
    # Last, so that an unknown path is answered in JSON while DEBUG is on, too.
    re_path("", errors.not_found),
]

handler400 = errors.bad_request
handler403 = errors.permission_denied
handler404 = errors.not_found
handler500 = errors.server_error
