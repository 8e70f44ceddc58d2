from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from apps.console.http import StaffRequest, console_page, page
from apps.console.proposal_forms import CommentForm
from apps.console.proposal_steps import performed
from apps.governance.choices import ProposalPermission
from apps.governance.middleware.access import local_path
from apps.governance.services.comments import comment_add


@require_POST
@console_page(post=ProposalPermission.COMMENT.full)
def comment(request: StaffRequest) -> HttpResponse:
    """A remark on any object; `next` is the page it was made on."""
    form = CommentForm(request.POST)

    def perform() -> None:
        data = form.cleaned_data
        comment_add(
            obj_type=data["object_type"],
            obj_id=data["object_id"],
            text=data["text"],
            supplements=data["supplements"],
            actor=request.user,
            now=timezone.now(),
        )

    status = performed(form, perform)
    back = local_path(request, request.POST.get("next", ""))
    if status is None:
        return redirect(back or "console:mission")
    return page(request, "console/comment.html", {"form": form, "back": back}, status=status)
