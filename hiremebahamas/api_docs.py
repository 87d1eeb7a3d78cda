"""The schema, and the pages that show it: Swagger UI and ReDoc, from our own static files."""

from functools import cache
from typing import Any, Final, cast

from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_exempt
from django.views.generic import TemplateView
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import (
    OpenApiJsonRenderer,
    OpenApiJsonRenderer2,
    OpenApiYamlRenderer,
    OpenApiYamlRenderer2,
)
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.views import APIView

from hiremebahamas.content_security import HEADER, format_policy
from hiremebahamas.errors import method_not_allowed

PAGE_METHODS: Final = ("GET", "HEAD", "OPTIONS")
RENDERERS: Final = (
    OpenApiJsonRenderer2,  # application/json
    OpenApiYamlRenderer2,  # application/yaml
    OpenApiJsonRenderer,  # the same as application/vnd.oai.openapi
    OpenApiYamlRenderer,
)


@cache
def render_schema(media_type: str) -> bytes:
    """Return the schema in one of the formats, made once per process: it takes up to 80 ms."""
    renderer = next(renderer for renderer in RENDERERS if renderer.media_type == media_type)
    schema = cast(Any, SchemaGenerator)().get_schema(request=None, public=True)
    return cast(bytes, renderer().render(schema, renderer_context={}))


class SchemaView(APIView):
    """`GET /api/schema`: OpenAPI in JSON, or in YAML for clients that accept nothing else."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    renderer_classes = RENDERERS

    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        """Return the whole schema, the same to every client."""
        media_type = request.accepted_renderer.media_type
        return HttpResponse(render_schema(media_type), content_type=media_type)


@method_decorator(csrf_exempt, name="dispatch")  # so that a POST gets a 405
class DocumentationPage(TemplateView):
    """A page whose scripts and styles are our own files."""

    policy = ""

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Return the page under its own policy."""
        response = super().get(request, *args, **kwargs)
        response.headers[HEADER] = self.policy
        return response

    def http_method_not_allowed(
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Answer in JSON, as everywhere."""
        return method_not_allowed(PAGE_METHODS)


class SwaggerPage(DocumentationPage):
    """`GET /api/docs`: read about the operations, and try them."""

    template_name = "api_docs/swagger.html"
    policy = format_policy(img_src="data:")


class RedocPage(DocumentationPage):
    """`GET /api/redoc`: read about all of them on one page."""

    template_name = "api_docs/redoc.html"
    # It makes its styles as it goes, and the worker that searches from a string.
    policy = format_policy(img_src="data:", style_src="'unsafe-inline'", worker_src="blob:")
