"""The paths of this app."""

from django.urls import path

from accounts.openid_connect import views

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
    path("auth/identities/<row_id:identity_id>", views.IdentityView.as_view(), name="identity"),
]
