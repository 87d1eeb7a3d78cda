"""The app's name, its check, and what it adds to accounts."""

from functools import partial

from django.apps import AppConfig
from django.core.checks import Tags, register


class OpenIDConnectConfig(AppConfig):
    """Identities at other providers."""

    name = "accounts.openid_connect"
    verbose_name = "OpenID Connect"

    def ready(self) -> None:
        """Register the check, the export, and that users without a password may ask for one."""
        from accounts.hooks import EXPORT_SECTIONS, OTHER_LOGINS, Section
        from accounts.openid_connect import checks
        from accounts.openid_connect.schema import IDENTITY
        from accounts.openid_connect.serializers import IdentitySerializer
        from accounts.openid_connect.services import has_identity, list_identities_of

        register(checks.check_providers, Tags.security)
        OTHER_LOGINS[self.name] = has_identity
        identities = partial(IdentitySerializer, many=True)
        EXPORT_SECTIONS["identities"] = Section(identities, list_identities_of, [IDENTITY])
