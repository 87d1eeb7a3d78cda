"""What usercache serves besides the dashboard: `path("", include("usercache.urls"))`."""

from django.urls import path

from usercache.monitoring import views

app_name = "usercache"
urlpatterns = [
    path("health/cache", views.show_health, name="health"),
    path("metrics", views.show_metrics, name="metrics"),
]
