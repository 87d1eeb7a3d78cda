"""The paths of this app, which `accounts/urls.py` takes in."""

from django.urls import path

from accounts.security_log import views

urlpatterns = [path("auth/events", views.EventsView.as_view(), name="events")]
