from __future__ import annotations

from django.db import models

from apps.core.fields import MoneyField


class NavDay(models.Model):
    """One account's net asset value on one trading day: what its loss and draw-down are measured against.

    It outlives the session, so that a restart neither forgives a loss nor forgets a peak. `put_in` is what was
    deposited less what was withdrawn, over all time.
    """

    account = models.SlugField(max_length=40)
    day = models.DateField()
    opening_nav = MoneyField()
    opening_put_in = MoneyField()
    high_water = MoneyField(help_text="Highest NAV so far, with deposits since added to it")
    stage = models.CharField(max_length=12, help_text="Rung of the draw-down ladder")
    nav = MoneyField(help_text="Newest")
    put_in = MoneyField(help_text="Newest")
    updated_at = models.DateTimeField()

    class Meta:
        ordering = ["-day", "account"]
        verbose_name = "NAV of a day"
        verbose_name_plural = "NAV by day"
        constraints = [models.UniqueConstraint(fields=["account", "day"], name="one_nav_per_day")]

    def __str__(self) -> str:
        return f"{self.account} {self.day}: {self.nav}"
