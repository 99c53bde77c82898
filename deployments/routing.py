"""Where the websockets are."""

from channels.routing import URLRouter
from django.urls import path

from deployments.consumers import NOT_FOUND, FleetConsumer, RunLogConsumer


async def _no_such_socket(scope: dict, receive, send) -> None:
    """Close a websocket to a path that is none."""
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.close", "code": NOT_FOUND})


websockets = URLRouter(
    [
        path("ws/runs/<str:public_id>/", RunLogConsumer.as_asgi(), name="ws-run"),
        path("ws/fleet/", FleetConsumer.as_asgi(), name="ws-fleet"),
        path("<path:rest>", _no_such_socket),
        path("", _no_such_socket),
    ]
)
