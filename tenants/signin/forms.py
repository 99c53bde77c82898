"""allauth's forms in the portal's look and words."""

from typing import Any

from allauth.account.forms import (
    LoginForm,
    ReauthenticateForm,
    ResetPasswordForm,
    ResetPasswordKeyForm,
)
from allauth.mfa.base.forms import AuthenticateForm
from allauth.mfa.base.forms import ReauthenticateForm as CodeReauthenticateForm
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.webauthn.forms import AddWebAuthnForm
from django import forms
from django.utils.translation import gettext_lazy as _

from tenants.models import User


def dress(form: forms.Form, **labels: Any) -> None:
    """Give the fields the portal's look, and these labels."""
    for name, field in form.fields.items():
        field.widget.attrs["class"] = "form-control"
        field.widget.attrs.pop("placeholder", None)
        field.help_text = ""
        if name in labels:
            field.label = labels[name]


def user_name_of(typed: str) -> str:
    """Return the user name for what was typed: a name, or the e-mail address of a user."""
    if "@" not in typed:
        return typed
    found = User.objects.filter(email__iexact=typed).values_list("username", flat=True).first()
    return found or typed


class SignInForm(LoginForm):
    """User name or e-mail address, and password."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # An address may be longer than a name.
        self.fields["login"] = forms.CharField(
            max_length=254, widget=forms.TextInput({"autocomplete": "username", "autofocus": True})
        )
        dress(self, login=_("User name or e-mail address"), password=_("Password"))

    def add_prefix(self, field_name: str) -> str:
        """Return the field's name in the page; browsers fill in what is called `username`."""
        return super().add_prefix("username" if field_name == "login" else field_name)

    def user_credentials(self) -> dict[str, str]:
        """Return what is checked: always by user name, so that failures count by person."""
        found = {"username": user_name_of(self.cleaned_data["login"])}
        if password := self.cleaned_data.get("password"):
            found["password"] = password
        return found


class ResetForm(ResetPasswordForm):
    """The address to which a link goes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        dress(self, email=_("E-mail address"))

    def clean_email(self) -> str:
        """Find whoever may have a password: programs and people of a provider have none."""
        email = self.cleaned_data["email"]
        found = User.objects.filter(email__iexact=email, is_active=True, is_service=False)
        self.users = [user for user in found if user.has_usable_password()]
        return email


class NewPasswordForm(ResetPasswordKeyForm):
    """A new password, twice."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        dress(self, password1=_("New password"), password2=_("The same once more"))


class AgainForm(ReauthenticateForm):
    """The password once more."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        dress(self, password=_("Password"))


class CodeForm(AuthenticateForm):
    """A code of the authenticator app, or a recovery code."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        dress(self, code=_("Code"))


class CodeAgainForm(CodeReauthenticateForm):
    """A code, to prove it once more."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        dress(self, code=_("Code"))


class ActivateForm(ActivateTOTPForm):
    """The first code of an authenticator app."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        dress(self, code=_("The code that the app shows"))
        self.fields["code"].widget.attrs.update(inputmode="numeric", maxlength=12)


class AddKeyForm(AddWebAuthnForm):
    """A security key and what it is called."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].max_length = 100
        dress(self, name=_("Name"))
