"""A message as it can be read by those who may: nothing in it runs, and nothing of it is loaded from elsewhere."""

from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from pillarbox.endpoints.console.calls import Problem, segment
from pillarbox.endpoints.console.door import HEADERS

if TYPE_CHECKING:
    from pillarbox.endpoints.console.app import Console
    from pillarbox.endpoints.console.page import Page

_SHOWN: Final = ("from", "sender", "reply-to", "to", "cc", "date", "subject")
"""Fields that a person wants to see first."""
_SEALED: Final = {
    **HEADERS,
    # A frame of ours shows it: without our origin, without scripts, forms or links that lead out, without a network.
    "Content-Security-Policy": "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'self'",
    "X-Frame-Options": "SAMEORIGIN",
}
_FRAME: Final = """<!doctype html>
<html><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<style>
:root { color-scheme: light; background: #fff; color: #000; font: 16px/1.5 system-ui, sans-serif }
body { margin: 12px; overflow-wrap: anywhere } img { max-width: 100%%; height: auto } pre { white-space: pre-wrap }
a { pointer-events: none } a[href]::after { content: " <" attr(href) ">"; font-size: 13px; color: #555 }
</style></head><body>%s</body></html>
"""
_SAVED: Final = {
    "Content-Type": "application/octet-stream",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def add(console: "Console") -> None:
    """Add the pages."""

    @console.get("/outbox/{queue_id}/mail")
    async def mail(page: "Page") -> Response:
        problem, content = None, None
        send = (await page.calls.get(_path(page)))["message"]
        try:
            content = await page.calls.get(f"{_path(page)}/content")
        except Problem as refused:
            if refused.status == 403:
                raise
            problem = refused
        header = content["header"] if content else []
        return page.show(
            "mail.html",
            send=send,
            content=content,
            first=[field for field in header if field["name"].lower() in _SHOWN],
            problem=problem,
        )

    @console.get("/outbox/{queue_id}/mail/html")
    async def mail_html(page: "Page") -> Response:
        content = await page.calls.get(f"{_path(page)}/content")
        return Response(_FRAME % content["html"], headers=_SEALED, media_type="text/html")

    @console.get("/outbox/{queue_id}/mail/files/{number}")
    async def mail_file(page: "Page") -> Response:
        path = f"{_path(page)}/attachments/{segment(page.part('number'))}"
        return page.calls.passed(path, _SAVED, page.failed)

    @console.get("/outbox/{queue_id}/mail/whole")
    async def mail_whole(page: "Page") -> Response:
        name = f"{segment(page.part('queue_id'))}.eml"
        saved = {**_SAVED, "Content-Disposition": f"attachment; filename={name}"}
        header = "?header=true" if page.query.get("header") else ""
        return page.calls.passed(f"{_path(page)}/message{header}", saved, page.failed)


def _path(page: "Page") -> str:
    return f"/api/v1/sends/{segment(page.part('queue_id'))}"
