"""Addresses of signing in. Names with account_ and mfa_ are those that allauth asks for."""

from allauth.account import views as account
from allauth.mfa.base import views as mfa
from allauth.mfa.recovery_codes import views as codes
from allauth.mfa.totp import views as totp
from allauth.mfa.webauthn import views as keys
from django.urls import path, re_path
from django.views.generic import RedirectView

from deployments.views import invitations, sessions, signin

urlpatterns = [
    path("sign-in/", signin.SignIn.as_view(), name="login"),
    path("sign-in/", signin.SignIn.as_view(), name="account_login"),
    path("sign-out/", signin.SignOut.as_view(), name="logout"),
    path("sign-out/", signin.SignOut.as_view(), name="account_logout"),
    path("sign-in/code/", signin.SecondStep.as_view(), name="mfa_authenticate"),
    path("sign-in/again/", signin.again, name="sign_in_again"),
    path("sign-in/closed/", signin.inactive, name="account_inactive"),
    path("sign-in/accounts/", signin.closed, name="account_signup"),
    path("sign-in/by/<str:provider_id>/", signin.provider_login, name="openid_connect_login"),
    path(
        "sign-in/by/<str:provider_id>/callback/",
        signin.provider_callback,
        name="openid_connect_callback",
    ),
    path("sign-in/called-off/", signin.provider_failed, name="socialaccount_login_cancelled"),
    path("password/forgotten/", account.password_reset, name="account_reset_password"),
    path("password/sent/", account.password_reset_done, name="account_reset_password_done"),
    # Only the first hyphen parts the two.
    re_path(
        r"^password/new/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        account.password_reset_from_key,
        name="account_reset_password_from_key",
    ),
    path(
        "password/done/",
        account.password_reset_from_key_done,
        name="account_reset_password_from_key_done",
    ),
    path("profile/prove/", account.reauthenticate, name="account_reauthenticate"),
    path("profile/prove/code/", mfa.reauthenticate, name="mfa_reauthenticate"),
    path("profile/prove/key/", keys.reauthenticate_webauthn, name="mfa_reauthenticate_webauthn"),
    path("profile/second-factor/", mfa.index, name="mfa_index"),
    path("profile/second-factor/app/", totp.activate_totp, name="mfa_activate_totp"),
    path("profile/second-factor/app/off/", totp.deactivate_totp, name="mfa_deactivate_totp"),
    path("profile/second-factor/key/", keys.add_webauthn, name="mfa_add_webauthn"),
    path(
        "profile/second-factor/keys/",
        RedirectView.as_view(pattern_name="mfa_index"),
        name="mfa_list_webauthn",
    ),
    path(
        "profile/second-factor/keys/<int:pk>/remove/",
        keys.remove_webauthn,
        name="mfa_remove_webauthn",
    ),
    path("profile/second-factor/codes/", codes.view_recovery_codes, name="mfa_view_recovery_codes"),
    path(
        "profile/second-factor/codes/new/",
        codes.generate_recovery_codes,
        name="mfa_generate_recovery_codes",
    ),
    path("profile/sessions/", sessions.own_sessions, name="own_sessions"),
    path("profile/sessions/end/", sessions.own_sessions_end, name="own_sessions_end"),
    path(
        "profile/sessions/<int:session_id>/end/", sessions.own_session_end, name="own_session_end"
    ),
    path("people/<str:user_id>/", sessions.person, name="person"),
    path(
        "people/<str:user_id>/sessions/end/",
        sessions.person_sessions_end,
        name="person_sessions_end",
    ),
    path(
        "people/<str:user_id>/second-factor/reset/",
        sessions.person_mfa_reset,
        name="person_mfa_reset",
    ),
    path("invitations/", invitations.invitation_list, name="invitations"),
    path("invitations/new/", invitations.invitation_new, name="invitation_new"),
    path(
        "invitations/<str:invitation_id>/resend/",
        invitations.invitation_resend,
        name="invitation_resend",
    ),
    path(
        "invitations/<str:invitation_id>/revoke/",
        invitations.invitation_revoke,
        name="invitation_revoke",
    ),
    path("welcome/", invitations.invitation_accept, name="invitation_accept"),
    path("welcome/<str:secret>/", invitations.invitation, name="invitation"),
]
