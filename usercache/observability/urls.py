"""Health and metrics, for the project's `urlpatterns` to include."""

from django.urls import path

from usercache.observability import views

app_name = "usercache"
urlpatterns = [
    path("health/cache", views.show_health, name="health"),
    path("metrics", views.show_metrics, name="metrics"),
]
