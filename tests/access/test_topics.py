"""Every socket by every role, the four clients, and where a socket may be opened from."""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from channels.db import database_sync_to_async
from channels.routing import URLRouter
from django.conf import settings
from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from django.test import Client

from apps.console.consumers import ScreenConsumer
from apps.console.routing import websocket_urlpatterns
from apps.governance.models import SignIn
from apps.governance.services.roles import roles_sync
from apps.risk.models import KillRun
from kalshiops.asgi import application
from kalshiops.roles import RIGHTS, roles
from tests import factories as make
from tests.console.sockets import Socket

pytestmark = pytest.mark.django_db(transaction=True)
# By route, written down a second time: the first is at each consumer.
RIGHTS_OF = {"ws/live/": "governance.see_everything", "ws/kill/<int:key>/": "governance.see_everything"}
TOPICS = [str(pattern.pattern) for pattern in websocket_urlpatterns]


@pytest.fixture(autouse=True)
def run(db: Any) -> KillRun:
    roles_sync(roles=roles(), now=make.NOW, actor_label="system:test")
    return KillRun.objects.create(scope="global", reason="drill", pressed_at=make.NOW)


def path_of(route: str) -> str:
    return "/" + route.replace("<int:key>", str(KillRun.objects.get().pk))


@database_sync_to_async
def somebody(rights: set[str] | None = None, role: str | None = None, **fields: Any) -> User:
    user = make.user("alice", sees=False, **fields)
    if role is not None:
        user.groups.add(Group.objects.get(name=role))
    if rights is not None:
        every = Permission.objects.select_related("content_type")
        held = [p for p in every if f"{p.content_type.app_label}.{p.codename}" in rights]
        user.user_permissions.set(held)
    return user


async def opens(route: str, user: Any, *, signed_in: bool = True) -> bool:
    socket = Socket(URLRouter(websocket_urlpatterns), await database_sync_to_async(path_of)(route), "", user)
    connected = await socket.connect(signed_in=signed_in)
    if connected:
        await socket.disconnect()
    return connected


def test_every_topic_says_who_may_open_it() -> None:
    assert sorted(TOPICS) == sorted(RIGHTS_OF)
    declared = {str(p.pattern): p.callback.consumer_class for p in websocket_urlpatterns}
    assert all(issubclass(consumer, ScreenConsumer) for consumer in declared.values())
    assert {route: consumer.right for route, consumer in declared.items()} == RIGHTS_OF


@pytest.mark.parametrize("route", TOPICS)
async def test_anonymous_outsiders_and_who_lacks_the_right_stay_out(route: str) -> None:
    every = {f"{app}.{name}" for app, name in await database_sync_to_async(_all)()}
    assert not await opens(route, AnonymousUser())
    alice = await somebody(every - {RIGHTS_OF[route]})
    assert not await opens(route, alice)
    await database_sync_to_async(alice.delete)()
    outsider = await somebody(every, is_staff=False)
    assert not await opens(route, outsider)


def _all() -> list[tuple[str, str]]:
    return list(Permission.objects.values_list("content_type__app_label", "codename"))


@pytest.mark.parametrize("route", TOPICS)
async def test_the_right_alone_is_enough_and_a_sign_in_is_needed_besides(route: str) -> None:
    alice = await somebody({RIGHTS_OF[route]})
    assert not await opens(route, alice, signed_in=False)
    assert await opens(route, alice)
    await SignIn.objects.filter(user=alice).aupdate(ended_at=make.NOW, ended_because="signed_out")
    assert not await opens(route, alice)


@pytest.mark.parametrize("role", RIGHTS)
@pytest.mark.parametrize("route", TOPICS)
async def test_each_role_sees_each_topic(route: str, role: str) -> None:
    assert await opens(route, await somebody(role=role))


@pytest.mark.parametrize(
    ("origin", "is_let_in"), [("http://localhost", True), ("https://example.com", False), ("", False)]
)
async def test_a_socket_opens_from_our_own_pages_only(origin: str, is_let_in: bool) -> None:
    key = await database_sync_to_async(_cookie_of)(await somebody(role="viewer"))
    headers = [(b"host", b"localhost"), (b"cookie", f"{settings.SESSION_COOKIE_NAME}={key}".encode())]
    if origin:
        headers.append((b"origin", origin.encode()))
    scope = {"type": "websocket", "path": "/ws/live/", "query_string": b"", "headers": headers}
    browser = ApplicationCommunicator(application, scope)
    await browser.send_input({"type": "websocket.connect"})
    answer = await browser.receive_output()
    assert (answer["type"] == "websocket.accept") is is_let_in
    await browser.send_input({"type": "websocket.disconnect", "code": 1000})
    await browser.wait()


def _cookie_of(user: User) -> str:
    client = Client()
    client.force_login(user)
    return client.cookies[settings.SESSION_COOKIE_NAME].value
