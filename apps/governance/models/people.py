from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.governance.choices import AccessPermission, SignInEnd


class OneTimePassword(models.Model):
    """The password a person was given, as its hash: while it is still theirs they must choose another."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="one_time_password")
    password = models.CharField(max_length=128, help_text="Equal to the user's own hash until they change it")

    class Meta:
        ordering = ["user_id"]

    def __str__(self) -> str:
        return str(self.user)


class SignIn(models.Model):
    """One browser in which somebody showed password and second factor, until it ends.

    The browser's session key is kept as its SHA-256 only: who reads this table cannot take over a session.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="sign_ins")
    session_digest = models.CharField(max_length=64, unique=True)
    method = models.CharField(max_length=16, help_text="The second factor that was shown")
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField(
        help_text="The person's last own step, to the minute; what pages ask by themselves is none"
    )
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_because = models.CharField(max_length=16, choices=SignInEnd.choices, blank=True)
    address = models.GenericIPAddressField(null=True, blank=True)
    browser = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["-id"]
        permissions = [*AccessPermission.choices]
        indexes = [models.Index(fields=["user", "-id"], condition=Q(ended_at=None), name="sign_ins_of_a_person")]

    def __str__(self) -> str:
        return f"{self.user} {self.started_at:%Y-%m-%d %H:%M}"


class RecoveryCode(models.Model):
    """A code that stands in for the second factor once. Only its digest is kept; see `services/factors.py`."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="recovery_codes")
    digest = models.CharField(max_length=64)
    made_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["user", "digest"], name="one_recovery_code_of_a_kind")]

    def __str__(self) -> str:
        return f"{self.user} {'used' if self.used_at else 'unused'}"
