"""The platform's admin site and the bases its admin classes choose from."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.sites import UnfoldAdminSite


class PlatformAdminSite(UnfoldAdminSite):
    site_title = "kalshiops"
    site_header = "kalshiops"


class ReadOnlyAdmin(ModelAdmin):
    """For facts: may be looked at, never added, changed or removed here."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
