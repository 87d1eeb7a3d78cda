"""Other people's projects, as they are before the package is added."""

from typing import Final, NamedTuple

URLS: Final = """

from django.urls import path
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.views import TokenObtainPairView


class Me(APIView):
    permission_classes = [IsAuthenticated]

    def get(self, request):
        return Response({"name": getattr(request.user, "NAME")})


urlpatterns += [path("token", TokenObtainPairView.as_view()), path("me", Me.as_view())]
"""
ADMIN: Final = """
from django.contrib import admin

from people.models import User


@admin.register(User)
class UserAdmin(admin.ModelAdmin):
    fields = ["NAME", "is_active"]
"""
OWN_USER: Final = """
from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    biography = models.TextField(blank=True)
"""
UUID_USER: Final = """
import uuid

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models


class UserManager(BaseUserManager):
    def create_user(self, login, password=None, **fields):
        user = self.model(login=login, **fields)
        user.set_password(password)
        user.save()
        return user

    def create_superuser(self, login, password=None, **fields):
        return self.create_user(login, password, is_staff=True, is_superuser=True, **fields)


class User(AbstractBaseUser, PermissionsMixin):
    uid = models.UUIDField(primary_key=True, default=uuid.uuid4, db_column="member_uid")
    login = models.CharField(max_length=40, unique=True)
    full_name = models.CharField(max_length=80, blank=True, db_column="FullName")
    is_active = models.BooleanField(default=True, db_column="enabled")
    is_staff = models.BooleanField(default=False)
    objects = UserManager()

    USERNAME_FIELD = "login"
"""


class Kind(NamedTuple):
    """What makes one project different from another."""

    name_column: str
    """Of the cached columns, one that people see."""
    on_servers: bool
    """Whether it has PostgreSQL and Redis; SQLite and no Redis otherwise."""
    models: str = ""
    """Its own user model; Django's stock one without."""
    columns: tuple[str, ...] = ()
    """What it caches; what the documentation names without."""
    simple_jwt: str = ""
    """Its settings of simplejwt."""
    login: str = "username"
    users: int = 0
    """How many it has before the package is added."""
    warnings: tuple[str, ...] = ()
    """What `manage.py check` may say in the end."""


KINDS: Final = {
    "stock user": Kind("first_name", on_servers=True, warnings=("usercache.W016",)),
    "UUID key": Kind(
        "full_name",
        on_servers=False,
        models=UUID_USER,
        columns=("uid", "full_name", "is_active", "is_staff", "is_superuser"),
        login="login",
        simple_jwt='SIMPLE_JWT = {"USER_ID_FIELD": "uid"}',
    ),
    "many users": Kind("first_name", on_servers=True, models=OWN_USER, users=1_000),
}
