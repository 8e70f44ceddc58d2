"""Base for facts: rows that are written once and never changed or removed by the application."""

from __future__ import annotations

from typing import Any, NoReturn

from django.db import models

from .exceptions import Refused


class AppendOnlyQuerySet(models.QuerySet):
    def update(self, **kwargs: Any) -> NoReturn:
        raise Refused(f"{self.model.__name__} rows are facts and cannot be changed", code="append_only")

    def delete(self) -> NoReturn:
        raise Refused(f"{self.model.__name__} rows are facts and cannot be removed", code="append_only")


class AppendOnlyModel(models.Model):
    """Refuses updates and deletes through the ORM."""

    objects = AppendOnlyQuerySet.as_manager()

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise Refused(f"{type(self).__name__} rows are facts and cannot be changed", code="append_only")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise Refused(f"{type(self).__name__} rows are facts and cannot be removed", code="append_only")
