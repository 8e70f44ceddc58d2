from __future__ import annotations

from http import HTTPStatus
from typing import Any, cast

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from apps.core.adminsite import PEOPLE, PlainAdmin, ReadOnlyAdmin, asks
from apps.governance.models import OneTimePassword
from apps.governance.services import audit_record

admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class PersonAdmin(PlainAdmin, UserAdmin):
    """Names and sign-in may be edited by those with the right; roles only by a superuser, and all of it is audited."""

    job = PEOPLE
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "first_name", "last_name", "roles", "is_active", "last_login")
    list_filter = (("is_active", asks("May they sign in?", admin.BooleanFieldListFilter)), "groups")
    filter_horizontal = ()
    fieldsets = (
        (None, {"fields": ("username", "first_name", "last_name", "email")}),
        ("Sign-in and roles", {"fields": ("is_active", "is_staff", "groups", "last_login", "date_joined")}),
    )
    _GRANTS = ("groups", "is_staff")

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("groups")

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        fixed = ("last_login", "date_joined")
        return fixed if request.user.is_superuser else (*fixed, *self._GRANTS)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False

    @display(description="Roles")
    def roles(self, obj: User) -> str:
        return ", ".join(group.name for group in obj.groups.all())

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        """Whoever sets another's password can act as them, approvals included; so only a superuser may."""
        if not request.user.is_superuser:
            raise PermissionDenied
        response = super().user_change_password(request, id, form_url)
        if response.status_code == HTTPStatus.FOUND:
            audit_record(
                actor=request.user,
                action="people.user.set_password",
                obj_type=User._meta.label,
                obj_id=id,
                now=timezone.now(),
            )
        return response

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        person = form.instance
        audit_record(
            actor=cast(User, request.user),
            action="people.user.change" if change else "people.user.create",
            obj_type=User._meta.label,
            obj_id=person.pk,
            after={
                "changed": sorted(form.changed_data),
                "username": person.username,
                "is_active": person.is_active,
                "roles": sorted(group.name for group in person.groups.all()),
            },
            now=timezone.now(),
        )


@admin.register(Group)
class RoleAdmin(ReadOnlyAdmin, GroupAdmin):
    """Roles come from the code (`manage.py sync_roles`); here they can be looked up."""

    job = PEOPLE
    list_display = ("name",)
    fields = ("name", "rights", "people")
    search_fields = ("name",)

    @display(description="Rights beyond looking")
    def rights(self, obj: Group) -> str:
        held = obj.permissions.exclude(codename__startswith="view_").select_related("content_type")
        return ", ".join(sorted(f"{p.content_type.app_label}.{p.codename}" for p in held)) or "none"

    @display(description="People")
    def people(self, obj: Group) -> str:
        return ", ".join(obj.user_set.order_by("username").values_list("username", flat=True)) or "nobody"


@admin.register(OneTimePassword)
class OneTimePasswordAdmin(ReadOnlyAdmin):
    """Who was given a password and has not chosen another yet; never the hash itself."""

    job = PEOPLE
    list_display = ("user", "is_unchanged")
    list_select_related = ("user",)
    fields = ("user", "is_unchanged")

    @admin.display(boolean=True, description="Still the one that was given")
    def is_unchanged(self, obj: OneTimePassword) -> bool:
        return obj.password == obj.user.password
