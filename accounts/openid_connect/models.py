"""The rows of this app: identities, and the flows that are used up; see Note [OpenID Connect]."""

from typing import Final

from django.conf import settings
from django.db import models

from accounts.models import UsedOnce

ISSUER_MAX_LENGTH: Final = 255
# Source: OpenID Connect Core 1.0, section 2, "sub".
SUBJECT_MAX_LENGTH: Final = 255


class Identity(models.Model):
    """A user as a provider knows them, and whose account that is here."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    # Not our name of the provider: another one may get that name.
    issuer = models.CharField(max_length=ISSUER_MAX_LENGTH, editable=False)
    subject = models.CharField(max_length=SUBJECT_MAX_LENGTH, editable=False)
    created_at = models.DateTimeField(editable=False)
    last_used_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        db_table = "openid_identities"
        verbose_name_plural = "identities"
        constraints = [
            models.UniqueConstraint(fields=["issuer", "subject"], name="openid_identity_is_unique"),
            models.UniqueConstraint(fields=["user", "issuer"], name="openid_one_of_each_issuer"),
        ]

    def __str__(self) -> str:
        """Name the user and the issuer."""
        return f"identity of user {self.user_id} at {self.issuer}"


class UsedFlow(UsedOnce):
    """A flow that was completed, or tried to be."""

    class Meta:
        db_table = "openid_used_flows"
