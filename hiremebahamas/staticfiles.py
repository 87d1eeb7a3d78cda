"""Names of static files in production."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticFilesStorage(CompressedManifestStaticFilesStorage):
    """Hash the names once `collectstatic` has run; until then the admin works, unstyled."""

    def stored_name(self, name: str) -> str:
        """Return the hashed name, or the plain one as long as there is no manifest."""
        return super().stored_name(name) if self.hashed_files else name
