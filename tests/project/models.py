"""Two user models; AUTH_USER_MODEL says which of them has a table."""

import uuid
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.utils import timezone

from usercache.orm.querysets import CachedUserQuerySet


class LowerCaseField(models.CharField):  # type: ignore[type-arg]  # generic in the stubs only
    """Text in one spelling."""

    def get_prep_value(self, value: Any) -> Any:
        """Return it in lower case, for look-ups as well as for storing."""
        value = super().get_prep_value(value)
        return value.lower().strip() if isinstance(value, str) else value

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """Give the instance the value that the row will have."""
        value = self.get_prep_value(super().pre_save(model_instance, add))
        setattr(model_instance, self.attname, value)
        return value


class PlainUser(AbstractBaseUser, PermissionsMixin):
    """A user with an integer key, whose columns are called as its fields are."""

    email = LowerCaseField(max_length=254, unique=True)
    username = LowerCaseField(max_length=30, unique=True, null=True)
    first_name = models.CharField(max_length=100)
    last_name = models.CharField(max_length=100)
    phone = LowerCaseField(max_length=16, unique=True, null=True)
    bio = models.TextField(max_length=2000)
    avatar_url = models.CharField(max_length=500)
    occupation = models.CharField(max_length=150)
    location = models.CharField(max_length=150)
    is_active = models.BooleanField(default=True)
    is_admin = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)
    token_version = models.PositiveIntegerField(default=1)

    objects = CachedUserQuerySet.as_manager()

    USERNAME_FIELD = "email"

    class Meta:
        db_table = "users"
        swappable = "AUTH_USER_MODEL"


class RenamedUser(AbstractBaseUser, PermissionsMixin):
    """A user with a UUID for a key, whose columns are called otherwise than its fields."""

    key = models.UUIDField(primary_key=True, default=uuid.uuid4, db_column="user_key")
    email = LowerCaseField(max_length=254, unique=True, db_column="mail_address")
    username = LowerCaseField(max_length=30, unique=True, null=True, db_column="nickname")
    first_name = models.CharField(max_length=100, db_column="Given Name")
    last_name = models.CharField(max_length=100, db_column="family_name")
    phone = LowerCaseField(max_length=16, unique=True, null=True, db_column="telephone")
    bio = models.TextField(max_length=2000, db_column="about")
    avatar_url = models.CharField(max_length=500, db_column="picture")
    occupation = models.CharField(max_length=150, db_column="trade")
    location = models.CharField(max_length=150, db_column="island")
    is_active = models.BooleanField(default=True, db_column="enabled")
    is_admin = models.BooleanField(default=False, db_column="staff")
    created_at = models.DateTimeField(default=timezone.now, db_column="made")
    updated_at = models.DateTimeField(auto_now=True, db_column="changed")
    token_version = models.PositiveIntegerField(default=1, db_column="epoch")

    objects = CachedUserQuerySet.as_manager()

    USERNAME_FIELD = "email"

    class Meta:
        db_table = "people"
        swappable = "AUTH_USER_MODEL"
