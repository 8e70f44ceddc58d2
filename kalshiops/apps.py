"""Makes the platform's admin site the default one."""

from __future__ import annotations

from django.contrib.admin.apps import AdminConfig


class PlatformAdminConfig(AdminConfig):
    default_site = "apps.core.adminsite.PlatformAdminSite"
