"""Users, groups and their roles."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Prefetch, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from omlsaas.lib.refusals import Refusal
from tenants import people
from tenants.actors import Actor, from_request
from tenants.admin.columns import stamp
from tenants.admin.doors import PortalAdmin, PortalForm
from tenants.models import Membership, User
from tenants.zones import time_zones


class UserForm(PortalForm):
    """A user; a password typed here is the new one."""

    password = forms.CharField(
        label=_("New password"),
        required=False,
        strip=False,
        widget=forms.PasswordInput({"autocomplete": "new-password", "class": "vTextField"}),
        help_text=_("Left empty, it stays as it is; a new user cannot sign in without one."),
    )
    time_zone = forms.ChoiceField(label=_("Time zone"), choices=time_zones, initial="UTC")
    language = forms.ChoiceField(label=_("Language"), choices=settings.LANGUAGES, initial="en")

    class Meta:
        model = User
        fields = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Never the stored digest.
        self.initial.pop("password", None)

    def _post_clean(self) -> None:
        # The row must not take the typed password as its digest.
        typed = self.cleaned_data.pop("password", "")
        super()._post_clean()
        self.cleaned_data["password"] = typed


@admin.register(User)
class UserAdmin(PortalAdmin):
    """Users are deactivated, never deleted."""

    form = UserForm
    may_add = may_change = True
    name_field = "username"
    portal_page = "person"
    list_display = ("username", "email", "name_shown", "roles_shown", "is_active", "is_service",
                    stamp("last_login", _("last sign-in")))  # fmt: skip
    list_filter = ("is_active", "is_service", "is_superuser", "groups", "memberships__role")
    search_fields = ("username", "email", "first_name", "last_name")
    ordering = ("username",)
    autocomplete_fields = ("groups",)
    fieldsets = (
        (None, {"fields": ("username", "first_name", "last_name", "email", "password")}),
        (_("Settings"), {"fields": ("time_zone", "language", "groups")}),
        (_("Standing"), {"fields": ("is_active", "is_service", "is_superuser")}),
        (None, {"fields": ("reason",)}),
    )

    @admin.display(description=_("name"), ordering="first_name", empty_value="–")
    def name_shown(self, user: User) -> str | None:
        """Return first and last name."""
        return user.get_full_name() or None

    @admin.display(description=_("roles"), empty_value="–")
    def roles_shown(self, user: User) -> str | None:
        """Return the user's own roles in words; those of groups stand there."""
        words = [f"{m.get_role_display()}: {m.scope_text}" for m in user.memberships.all()]
        if user.is_superuser:
            words.insert(0, str(_("Superuser")))
        return ", ".join(words) or None

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """Return the users with their roles in one query more."""
        held = Membership.objects.select_related("region", "shared_environment", "tenant")
        return super().get_queryset(request).prefetch_related(Prefetch("memberships", held))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Only superusers make superusers."""
        return () if request.user.is_superuser else ("is_superuser",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let only superusers change a superuser."""
        is_above = obj is not None and obj.is_superuser and not request.user.is_superuser
        return super().has_change_permission(request, obj) and not is_above

    def create(self, actor: Actor, data: dict[str, Any]) -> User:
        """Create a user."""
        return people.create_user(actor, **data)

    def change(self, actor: Actor, obj: User, data: dict[str, Any]) -> User:
        """Change a user."""
        return people.change_user(actor, obj, **data)


class GroupForm(PortalForm):
    """A group and who belongs to it."""

    members = forms.ModelMultipleChoiceField(
        label=_("Members"), queryset=User.objects.order_by("username"), required=False
    )

    class Meta:
        model = Group
        fields = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.fields["members"].initial = list(
                self.instance.user_set.values_list("pk", flat=True)
            )


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(PortalAdmin):
    """Groups hold roles for their members."""

    form = GroupForm
    may_add = may_change = True
    list_display = ("name", "member_count", "roles_shown")
    search_fields = ("name",)
    ordering = ("name",)
    fields = ("name", "members", "reason")

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """Return the groups with the number of their members and their roles."""
        held = Membership.objects.select_related("region", "shared_environment", "tenant")
        rows = super().get_queryset(request).annotate(_members=Count("user"))
        return rows.prefetch_related(Prefetch("memberships", held))

    @admin.display(description=_("members"), ordering="_members")
    def member_count(self, group: Group) -> int:
        """Return how many belong to it."""
        return group._members

    @admin.display(description=_("roles"), empty_value="–")
    def roles_shown(self, group: Group) -> str | None:
        """Return the group's roles in words."""
        words = [f"{m.get_role_display()}: {m.scope_text}" for m in group.memberships.all()]
        return ", ".join(words) or None

    def create(self, actor: Actor, data: dict[str, Any]) -> Group:
        """Create a group."""
        return people.change_group(actor, None, **data)

    def change(self, actor: Actor, obj: Group, data: dict[str, Any]) -> Group:
        """Change its name or who belongs to it."""
        return people.change_group(actor, obj, **{"name": obj.name, **data})


@admin.register(Membership)
class MembershipAdmin(PortalAdmin):
    """Roles are given and taken, never changed: the trail says both."""

    may_add = True
    name_field = "role"
    list_display = ("holder", "role", "scope_shown", stamp("created_at", _("since")))
    list_filter = ("role", "everything", "region")
    list_select_related = ("user", "group", "region", "shared_environment", "tenant")
    search_fields = ("user__username", "user__email", "group__name", "tenant__name")
    ordering = ("user__username", "group__name", "pk")
    autocomplete_fields = ("user", "group", "region", "shared_environment", "tenant")
    fieldsets = (
        (_("Who"), {"fields": ("user", "group"), "description": _("One user or one group.")}),
        (_("May do what"), {"fields": ("role",)}),
        (
            _("Where"),
            {
                "fields": ("everything", "region", "shared_environment", "tenant"),
                "description": _("Exactly one of these."),
            },
        ),
        (None, {"fields": ("reason",)}),
    )

    @admin.display(description=_("who"), ordering="user__username")
    def holder(self, row: Membership) -> str:
        """Return the user or the group."""
        return str(row.user or row.group)

    @admin.display(description=_("where"))
    def scope_shown(self, row: Membership) -> str:
        """Return what the role covers."""
        return row.scope_text

    def create(self, actor: Actor, data: dict[str, Any]) -> Membership:
        """Give the role."""
        return people.grant_role(actor, **data)

    # --- a row without a history of its own: the trail has it ---------------------------------
    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Roles are taken here."""
        return self.admin_site.has_permission(request)

    def delete_model(self, request: HttpRequest, obj: Membership) -> None:
        """Take the role."""
        try:
            people.revoke_role(from_request(request, origin="admin"), obj)
        except Refusal as refusal:
            raise PermissionDenied(str(refusal)) from refusal

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet) -> None:
        """Take each role."""
        for row in queryset.select_related(*self.list_select_related):
            self.delete_model(request, row)
