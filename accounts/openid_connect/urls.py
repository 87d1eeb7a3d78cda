"""The paths of this app."""

from django.urls import path, register_converter

from accounts.converters import UserIdConverter
from accounts.openid_connect import views

# By a name of its own: accounts.urls may not be imported yet.
register_converter(UserIdConverter, "identity_id")

urlpatterns = [
    path("auth/openid-connect", views.ProvidersView.as_view(), name="providers"),
    path("auth/openid-connect/login", views.LoginView.as_view(), name="provider-login"),
    path(
        "auth/openid-connect/login/complete",
        views.LoginCompletionView.as_view(),
        name="complete-provider-login",
    ),
    path("auth/openid-connect/<slug:provider>/callback", views.pass_on, name="provider-callback"),
    path("auth/identities", views.IdentitiesView.as_view(), name="identities"),
    path("auth/identities/complete", views.LinkCompletionView.as_view(), name="complete-link"),
    path(
        "auth/identities/<identity_id:identity_id>", views.IdentityView.as_view(), name="identity"
    ),
]
