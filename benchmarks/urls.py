"""The product's routes, and one view of it behind each way to authenticate."""

from django.urls import include, path
from rest_framework_simplejwt.authentication import (
    JWTAuthentication,
    JWTStatelessUserAuthentication,
)

from accounts.views.sessions import VerifyView

urlpatterns = [
    path("", include("accounts.urls")),
    path("database", VerifyView.as_view(authentication_classes=[JWTAuthentication])),
    path("stateless", VerifyView.as_view(authentication_classes=[JWTStatelessUserAuthentication])),
]

handler404 = "hiremebahamas.errors.not_found"
handler500 = "hiremebahamas.errors.server_error"
