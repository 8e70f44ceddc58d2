from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.forms import SetPasswordMixin
from django.contrib.auth.models import User


class SignInForm(forms.Form):
    """Nothing here stands in the way of a password manager or of pasting."""

    username = forms.CharField(
        label="Name",
        max_length=150,
        widget=forms.TextInput(
            attrs={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false", "autofocus": True}
        ),
    )
    password = forms.CharField(
        label="Password", strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "current-password"})
    )


class FactorForm(forms.Form):
    """A code, or what the browser says for a passkey."""

    code = forms.CharField(
        label="Code",
        max_length=40,
        required=False,
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "autocapitalize": "none", "spellcheck": "false", "class": "code"}
        ),
    )
    passkey = forms.CharField(max_length=20_000, required=False, widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not cleaned.get("code") and not cleaned.get("passkey"):
            self.add_error("code", "Enter a code")
        return cleaned


class EnrolForm(FactorForm):
    name = forms.CharField(label="Name of the passkey", max_length=64, required=False)


class PasswordForm(SetPasswordMixin, forms.Form):
    """A new password, twice; with `old` also the one it replaces."""

    new_password1, new_password2 = SetPasswordMixin.create_password_fields("New password", "The same again")

    def __init__(self, user: User, *args: Any, with_old: bool = False, **kwargs: Any) -> None:
        self.user = user
        super().__init__(*args, **kwargs)
        if with_old:
            old = forms.CharField(
                label="Password so far",
                strip=False,
                widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
            )
            self.fields = {"old_password": old} | self.fields

    def clean_old_password(self) -> str:
        old = self.cleaned_data["old_password"]
        if not self.user.check_password(old):
            raise forms.ValidationError("That is not your password")
        return old

    def clean(self) -> dict[str, Any]:
        self.validate_passwords("new_password1", "new_password2")
        self.validate_password_for_user(self.user, "new_password2")
        cleaned = super().clean() or {}
        if cleaned.get("new_password2") and self.user.check_password(cleaned["new_password2"]):
            self.add_error("new_password2", "Choose one that is not the present one")
        return cleaned
