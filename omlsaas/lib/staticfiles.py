"""Static files by WhiteNoise, read the way the server at hand wants them."""

from collections.abc import AsyncIterator
from typing import Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import FileResponse, HttpRequest
from whitenoise.middleware import WhiteNoiseMiddleware

BLOCK_BYTES = 256 * 1024


class StaticFilesMiddleware(WhiteNoiseMiddleware):
    """WhiteNoise whose answers are asynchronous under ASGI, where Django warns of any other."""

    @staticmethod
    def serve(static_file: Any, request: HttpRequest) -> FileResponse:
        """Return a file, its 304, or the head of either."""
        response = WhiteNoiseMiddleware.serve(static_file, request)
        if isinstance(request, ASGIRequest):
            # The file is closed with the response, whoever read it.
            response.streaming_content = _blocks(response.file_to_stream)
        return response


async def _blocks(file: Any) -> AsyncIterator[bytes]:
    if file is not None:
        read = sync_to_async(file.read, thread_sensitive=False)
        while block := await read(BLOCK_BYTES):
            yield block
