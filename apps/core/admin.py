from __future__ import annotations

from django.contrib import admin

from .adminsite import RUN, ReadOnlyAdmin
from .models import Lease


@admin.register(Lease)
class LeaseAdmin(ReadOnlyAdmin):
    job = RUN
    list_display = ("name", "holder", "token", "expires_at")
