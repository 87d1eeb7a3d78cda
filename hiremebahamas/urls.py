"""Every route of the project."""

from django.conf import settings
from django.conf.urls.static import static
from django.contrib import admin
from django.urls import include, path, re_path

from hiremebahamas import errors

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("accounts.urls")),
    *static(settings.MEDIA_URL, document_root=settings.MEDIA_ROOT),  # while DEBUG is on
    # Last, so that an unknown path is answered in JSON while DEBUG is on, too.
    re_path("", errors.not_found),
]

handler400 = errors.bad_request
handler403 = errors.permission_denied
handler404 = errors.not_found
handler500 = errors.server_error
