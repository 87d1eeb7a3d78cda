"""The paths of this app."""

from django.urls import path

from accounts.second_factor import views

urlpatterns = [
    path("auth/login/second-factor", views.LoginStepView.as_view(), name="finish-login"),
    path("auth/login/second-factor/app", views.LoginSetUpView.as_view(), name="set-up-at-login"),
    path("auth/second-factor", views.SecondFactorView.as_view(), name="second-factor"),
    path("auth/second-factor/app", views.SetUpView.as_view(), name="set-up-factor"),
    path("auth/second-factor/app/confirm", views.ConfirmationView.as_view(), name="confirm-factor"),
    path(
        "auth/login/passkey/options",
        views.PasswordlessOptionsView.as_view(),
        name="passwordless-options",
    ),
    path("auth/login/passkey", views.PasswordlessView.as_view(), name="passwordless-login"),
    path(
        "auth/login/second-factor/passkey/options",
        views.LoginPasskeyOptionsView.as_view(),
        name="passkey-login-options",
    ),
    path(
        "auth/login/second-factor/passkey", views.LoginPasskeyView.as_view(), name="passkey-login"
    ),
    path(
        "auth/second-factor/passkeys/options",
        views.PasskeyOptionsView.as_view(),
        name="passkey-options",
    ),
    path("auth/second-factor/passkeys", views.PasskeysView.as_view(), name="passkeys"),
    path(
        "auth/second-factor/passkeys/<row_id:passkey_id>",
        views.PasskeyView.as_view(),
        name="passkey",
    ),
    path(
        "auth/second-factor/recovery-codes",
        views.RecoveryCodesView.as_view(),
        name="recovery-codes",
    ),
]
