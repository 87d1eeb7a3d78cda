"""The paths of this app, which `accounts/urls.py` takes in."""

from django.urls import path

from accounts.leaving import views

urlpatterns = [
    path("auth/export", views.ExportView.as_view(), name="export"),
    path("auth/account", views.AccountView.as_view(), name="account"),
    path("auth/reopen-account", views.ReopenRequestView.as_view(), name="ask-for-reopening"),
    path("auth/reopen-account/confirm", views.ReopenView.as_view(), name="reopen-account"),
]
