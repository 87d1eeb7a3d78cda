"""The paths of this app, none of which ends in a slash."""

from django.urls import path

from accounts.api_keys.urls import urlpatterns as api_keys
from accounts.leaving.urls import urlpatterns as leaving
from accounts.security_log.urls import urlpatterns as security_log
from accounts.views import directory, profile, recovery, sessions

urlpatterns = [
    path("auth/register", sessions.RegisterView.as_view(), name="register"),
    path("auth/login", sessions.LoginView.as_view(), name="login"),
    path("auth/refresh", sessions.RefreshView.as_view(), name="refresh"),
    path("auth/logout", sessions.LogoutView.as_view(), name="logout"),
    path("auth/cookie/refresh", sessions.CookieRefreshView.as_view(), name="refresh-by-cookie"),
    path("auth/cookie/logout", sessions.CookieLogoutView.as_view(), name="logout-by-cookie"),
    path("auth/sessions", sessions.SessionsView.as_view(), name="sessions"),
    path("auth/sessions/<uuid:session_id>", sessions.SessionView.as_view(), name="session"),
    path("auth/verify", sessions.VerifyView.as_view(), name="verify"),
    path("auth/profile", profile.ProfileView.as_view(), name="profile"),
    path("auth/upload-avatar", profile.AvatarView.as_view(), name="upload-avatar"),
    path("auth/change-password", profile.PasswordView.as_view(), name="change-password"),
    path("auth/reset-password", recovery.ResetRequestView.as_view(), name="ask-for-reset"),
    path("auth/reset-password/confirm", recovery.ResetView.as_view(), name="reset-password"),
    path("auth/verify-email", recovery.VerificationView.as_view(), name="verify-email"),
    path("auth/change-email", recovery.EmailChangeView.as_view(), name="change-email"),
    path("auth/confirm-email", recovery.EmailConfirmationView.as_view(), name="confirm-email"),
    *api_keys,
    *security_log,
    *leaving,
    path("users", directory.DirectoryView.as_view(), name="users"),
    path("users/lookup", directory.LookupView.as_view(), name="lookup"),
    path("users/<row_id:user_id>", directory.UserView.as_view(), name="user"),
]
