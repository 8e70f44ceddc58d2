"""URL map: the console at the root, the admin beside it."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from apps.console.views import security, signin

urlpatterns = [
    # One sign-in for everything: the admin's own pages for it lead to the console's.
    path("admin/login/", signin.admin_sign_in),
    path("admin/logout/", signin.sign_out),
    path("admin/password_change/", security.admin_password),
    path("admin/", admin.site.urls),
    path("", include("apps.console.urls")),
]
