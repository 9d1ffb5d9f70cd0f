"""A Django site of one file: settings and messages come as JSON, what became of them goes out so."""

import json
import sys
from typing import Any

import django
from django.conf import settings
from django.core import mail


def main() -> None:
    """Run what the standard input asks for."""
    asked = json.load(sys.stdin)
    settings.configure(EMAIL_BACKEND="pillarbox.integrations.django.EmailBackend", **asked["settings"])
    django.setup()
    try:
        print(json.dumps({"sent": _send(**asked)}))
    except Exception as error:
        found = {"error": type(error).__name__, "code": getattr(error, "code", ""), "text": str(error)}
        print(json.dumps(found))


def _send(messages: list[dict[str, Any]], silently: bool = False, **_others: Any) -> int:
    connection = mail.get_connection(fail_silently=silently)
    return int(connection.send_messages([_made(**one) for one in messages]) or 0)


def _made(html: str | None = None, files: tuple[tuple[str, str, str], ...] = (), **given: Any) -> mail.EmailMessage:
    message = mail.EmailMultiAlternatives(**given)
    if html is not None:
        message.attach_alternative(html, "text/html")
    for name, text, kind in files:
        message.attach(name, text, kind)
    return message


if __name__ == "__main__":
    main()
