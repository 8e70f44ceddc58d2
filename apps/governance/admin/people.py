from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Any, cast

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from apps.core.admin_filters import YesNo
from apps.core.adminsite import PEOPLE, PlainAdmin, ReadOnlyAdmin, asks
from apps.core.admintasks import AdminTask, ReasonForm, TaskCall, asked_text
from apps.governance.choices import AccessPermission
from apps.governance.models import OneTimePassword
from apps.governance.services import audit_record
from apps.governance.services.people import factor_reset_request, roles_request

admin.site.unregister(User)
admin.site.unregister(Group)


class RolesForm(ReasonForm):
    roles = forms.MultipleChoiceField(
        label="Roles",
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="All the person shall have",
    )
    field_order = ("roles", "reason")

    def __init__(self, data: Any, *, held: list[str]) -> None:
        super().__init__(data, initial={"roles": held})
        names = Group.objects.order_by("name").values_list("name", flat=True)
        cast(forms.MultipleChoiceField, self.fields["roles"]).choices = [(name, name) for name in names]


def _roles_form(obj: User, data: Any) -> RolesForm:
    return RolesForm(data, held=sorted(group.name for group in obj.groups.all()))


def _ask_for_roles(call: TaskCall) -> str:
    asked = roles_request(
        user=call.obj, roles=call.data["roles"], reason=call.data["reason"], actor=call.actor, now=call.now
    )
    return asked_text(asked.pk, at_once=False)


def _ask_for_reset(call: TaskCall) -> str:
    asked = factor_reset_request(user=call.obj, reason=call.data["reason"], actor=call.actor, now=call.now)
    return asked_text(asked.pk, at_once=False)


CHANGE_ROLES = AdminTask(
    name="roles",
    label="Change roles",
    explanation="Asks the boss to sign the roles this person shall have. Once signed, the person signs in anew.",
    permission=AccessPermission.MANAGE_PEOPLE.full,
    perform=_ask_for_roles,
    make_form=_roles_form,
    icon="badge",
)
RESET_FACTOR = AdminTask(
    name="reset-factor",
    label="Reset the second factor",
    explanation=(
        "For somebody who lost it and the recovery codes. Make sure it is them who asks, by a call or in person. Once "
        "the boss or compliance has signed, they are signed out everywhere and set a new one up with their password."
    ),
    permission=AccessPermission.MANAGE_PEOPLE.full,
    perform=_ask_for_reset,
    icon="lock_reset",
    is_danger=True,
)


@admin.register(User)
class PersonAdmin(PlainAdmin, UserAdmin):
    """Names may be edited by those with the right; roles and new factors they ask for, and all of it is audited."""

    job = PEOPLE
    question = "Who may sign in, in which role, and when did they last?"
    palette_key = "username"
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "first_name", "last_name", "roles", "is_active", "last_login")
    list_filter = (
        ("is_active", asks("May they sign in?", admin.BooleanFieldListFilter)),
        ("groups", asks("In which role?", admin.RelatedFieldListFilter)),
    )
    filter_horizontal = ()
    fieldsets = (
        (None, {"fields": ("username", "first_name", "last_name", "email")}),
        ("Sign-in and roles", {"fields": ("is_active", "is_staff", "groups", "last_login", "date_joined")}),
    )
    # The theme's base has an empty one that would come first, and people would be made without a name.
    add_fieldsets = UserAdmin.add_fieldsets
    object_tasks = (CHANGE_ROLES, RESET_FACTOR)
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
        if not change:
            # Whoever typed this password knows it, so it is good for one sign-in.
            OneTimePassword.objects.create(user=person, password=person.password)
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
    question = "What may each role do, and who has it?"
    no_filter = "six rows, as the code has them"
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


class Unchanged(YesNo):
    title = "Is it still the one that was given?"
    parameter_name = "unchanged"

    def chosen(self, queryset: QuerySet, now: datetime) -> QuerySet:
        return queryset.filter(password=F("user__password"))


@admin.register(OneTimePassword)
class OneTimePasswordAdmin(ReadOnlyAdmin):
    """Who was given a password and has not chosen another yet; never the hash itself."""

    job = PEOPLE
    question = "Who has not chosen a password of their own yet?"
    list_filter = (Unchanged,)
    search_fields = ("user__username",)
    list_display = ("user", "is_unchanged")
    list_select_related = ("user",)
    fields = ("user", "is_unchanged")

    @admin.display(boolean=True, description="Still the one that was given")
    def is_unchanged(self, obj: OneTimePassword) -> bool:
        return obj.password == obj.user.password
