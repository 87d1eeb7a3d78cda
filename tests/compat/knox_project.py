"""The project of knox' tests, which its distribution leaves out."""

from collections.abc import Mapping
from typing import Final

SETTINGS: Final = """
SECRET_KEY = "of tests, which share nothing with anybody"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "rest_framework",
    "knox",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework.authentication.BasicAuthentication",
        "rest_framework.authentication.SessionAuthentication",
        "knox.auth.TokenAuthentication",
    ],
}
ROOT_URLCONF = "knox_project.urls"
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # for speed
USE_TZ = True
"""
URLS: Final = """
from django.urls import include, path
from knox.auth import TokenAuthentication
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView


class Root(APIView):
    authentication_classes = [TokenAuthentication]
    permission_classes = [IsAuthenticated]

    def get(self, request):
        return Response("api root page")


urlpatterns = [
    path("api/", include("knox.urls")),
    path("api/", Root.as_view(), name="api-root"),
]
"""
FILES: Final[Mapping[str, str]] = {
    "knox_project/settings.py": SETTINGS,
    "knox_project/urls.py": URLS,
}
