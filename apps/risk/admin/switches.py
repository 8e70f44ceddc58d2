from __future__ import annotations

from django.contrib import admin
from unfold.decorators import display

from apps.core.adminsite import LIMITS, REVIEW, RUN, ReadOnlyAdmin, asks
from apps.risk.choices import SwitchState
from apps.risk.models import NavDay, SwitchDrill, SwitchSetting, SwitchStatus


@admin.register(SwitchStatus)
class SwitchStatusAdmin(ReadOnlyAdmin):
    job = RUN
    list_display = ("account", "key", "state_label", "value", "threshold", "input_at", "tripped_at", "message")
    list_filter = (("state", asks("What does it show?")), ("key", asks("Which switch?")))

    @display(
        description="State",
        label={SwitchState.OK: "success", SwitchState.WARN: "warning", SwitchState.TRIPPED: "danger"},
    )
    def state_label(self, obj: SwitchStatus) -> tuple[str, str]:
        return obj.state, obj.get_state_display()


@admin.register(SwitchSetting)
class SwitchSettingAdmin(ReadOnlyAdmin):
    job = LIMITS
    list_display = ("key", "values", "version", "updated_at")


@admin.register(SwitchDrill)
class SwitchDrillAdmin(ReadOnlyAdmin):
    job = REVIEW
    list_display = ("key", "at", "passed", "by", "trip_detail", "control_detail")
    list_filter = (("passed", asks("Did it pass?")), ("key", asks("Which switch?")))


@admin.register(NavDay)
class NavDayAdmin(ReadOnlyAdmin):
    job = REVIEW
    list_display = ("day", "account", "opening_nav", "nav", "high_water", "stage", "updated_at")
