"""The paths of this app, which `accounts/urls.py` takes in."""

from django.urls import path

from accounts.api_keys import views

urlpatterns = [
    path("auth/api-keys", views.KeysView.as_view(), name="api-keys"),
    path("auth/api-keys/<slug:key_id>", views.KeyView.as_view(), name="api-key"),
]
