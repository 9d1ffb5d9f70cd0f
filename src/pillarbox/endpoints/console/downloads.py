"""Files that a browser is to keep, and never to show."""

from collections.abc import AsyncIterator

from starlette.responses import Response, StreamingResponse

from pillarbox.endpoints.console.door import HEADERS


def download(name: str, media_type: str, content: bytes | AsyncIterator[str]) -> Response:
    """A file under this name, whole or as it comes. The name is ours: letters, digits, dots and dashes."""
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{name}"', "X-Content-Type-Options": "nosniff"}
    if isinstance(content, bytes):
        return Response(content, headers=headers, media_type=media_type)
    return StreamingResponse(content, headers=headers, media_type=media_type)


def certificate(app: str, public_pem: str) -> Response:
    """The public part of an app registration's certificate, as Microsoft's portal takes it."""
    return download(f"{app}.cer", "application/pkix-cert", public_pem.encode())
