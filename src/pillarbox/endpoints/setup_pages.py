"""The pages at which a person chooses a password: plain HTML without script, as those of a sign-in."""

from html import escape
from typing import Final

from pillarbox.access.person_rules import LEAST_PASSWORD, LONGEST_NAME, LONGEST_PASSWORD
from pillarbox.core.errors import PillarboxError
from pillarbox.endpoints.signin_pages import HEADERS, page, paragraph

_POLICY: Final = "Content-Security-Policy"
FORM_HEADERS: Final = {**HEADERS, _POLICY: HEADERS[_POLICY].replace("form-action 'none'", "form-action 'self'")}
"""Of the pages with a form, which goes back to its own address."""


def form(name: str | None, *, typed: str = "", wrong: PillarboxError | None = None) -> str:
    """The form: a password twice, and a name for the first administrator (`name` None), as was `typed` before."""
    parts, button = [], "Set the password" if name else "Become the administrator"
    if wrong is not None:
        parts.append(f'<p class="wrong" role="alert">{escape(wrong.sentence)} {escape(wrong.cure)}</p>')
    if name is None:
        parts.append(
            paragraph("Nobody can sign in to this Pillarbox yet. Whoever fills this form in will be in charge.")
        )
    else:
        parts.append(paragraph("You sign in with this name and the password that you choose. This link works once."))
    return page(
        "invited",
        "The first administrator" if name is None else "Choose a password",
        *parts,
        '<form method="post">',
        _name_field(typed if name is None else name, is_given=name is not None),
        _password_field("password", f"Password, at least {LEAST_PASSWORD} characters"),
        _password_field("again", "The same password again"),
        f"<button>{button}</button>\n</form>",
    )


def kept(name: str) -> str:
    """It went well."""
    return page("done", "The password is kept", paragraph(f"You sign in as {name} from now on. This link is used up."))


def failed(error: PillarboxError) -> str:
    """The link does nothing."""
    return page("failed", "This link does not work", paragraph(error.sentence), paragraph(error.cure))


def _name_field(value: str, *, is_given: bool) -> str:
    """One that is given is shown too: what keeps passwords for people wants to know whose it is."""
    return (
        f'<label>Name<input name="name" value="{escape(value)}" maxlength="{LONGEST_NAME}" required '
        f'autocomplete="username" autocapitalize="none" spellcheck="false"{" readonly" if is_given else ""}></label>'
    )


def _password_field(name: str, label: str) -> str:
    return (
        f'<label>{escape(label)}<input type="password" name="{name}" minlength="{LEAST_PASSWORD}" '
        f'maxlength="{LONGEST_PASSWORD}" required autocomplete="new-password"></label>'
    )
