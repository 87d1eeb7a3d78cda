"""`GET /`: links to the pages of the project."""

from hiremebahamas.api_docs import DocumentationPage
from hiremebahamas.content_security import STRICT_POLICY


class HomePage(DocumentationPage):
    """Links to the API's pages and the admin site."""

    template_name = "home.html"
    policy = STRICT_POLICY
