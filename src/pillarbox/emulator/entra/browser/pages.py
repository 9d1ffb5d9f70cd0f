"""The pages of the sign-in, as a person sees them: plain forms, no script but one that sends a form on its way."""

from collections.abc import Iterable, Mapping

from pillarbox.emulator.entra.browser.layout import (
    SEND,
    Form,
    Wish,
    actions,
    alert,
    button,
    decision,
    details,
    form_of,
    link,
    page,
    tile,
    wish_list,
)
from pillarbox.emulator.entra.browser.markup import tag
from pillarbox.emulator.http import Answer

CODE = "000000"
"""What the emulator takes as second factor; no phone is needed."""


def credentials(form: Form, app: str, name: str, error: str = "") -> Answer:
    """User name and password; after a wrong one the page says so."""
    email = tag(
        "input",
        type="email",
        id="login",
        name="login",
        value=name,
        autocomplete="username",
        required=True,
        autofocus=not name,
    )
    password = tag(
        "input",
        type="password",
        id="passwd",
        name="passwd",
        autocomplete="current-password",
        required=True,
        autofocus=bool(name),
    )
    return page(
        "Sign in",
        tag("p", "to continue to ", tag("strong", app)),
        alert(error),
        form_of(
            form,
            tag("label", "Email", for_="login"),
            email,
            tag("label", "Password", for_="passwd"),
            password,
            actions(button("Sign in")),
        ),
    )


def pick_account(form: Form, app: str, accounts: Iterable[tuple[str, str, str]]) -> Answer:
    """Who is signed in in this browser already, each with id, name and user name."""
    tiles = [tile(ident, tag("strong", name), tag("span", upn)) for ident, name, upn in accounts]
    other = tile("other", tag("strong", "Use another account"))
    return page("Pick an account", tag("p", "to continue to ", tag("strong", app)), form_of(form, *tiles, other))


def second_factor(form: Form, upn: str, *, enrol: bool, error: str = "") -> Answer:
    """The code of an authenticator, or its set-up for somebody who has none yet."""
    title = "More information required" if enrol else "Enter code"
    text = (
        "Your organization needs more information to keep your account secure. Enter a code to set up an authenticator."
        if enrol
        else "Enter the code displayed in your authenticator app."
    )
    code = tag(
        "input",
        type="text",
        id="otc",
        name="otc",
        inputmode="numeric",
        autocomplete="one-time-code",
        maxlength="6",
        required=True,
        autofocus=True,
        aria_describedby="hint",
    )
    return page(
        title,
        tag("p", upn, class_="muted"),
        tag("p", text),
        alert(error),
        form_of(
            form,
            tag("p", "Emulator: the code is ", tag("strong", CODE), ".", class_="hint", id="hint"),
            tag("label", "Code", for_="otc"),
            code,
            actions(button("Next" if enrol else "Verify")),
        ),
    )


def consent(form: Form, app: str, publisher: str, upn: str, wishes: Iterable[Wish], *, for_all: str = "") -> Answer:
    """What the app would like; `for_all` names the organization if the person may accept for everybody in it."""
    box = [tag("input", type="checkbox", name="for_all", value="true"), f"Consent on behalf of {for_all}"]
    choice = [tag("label", box[0], tag("span", box[1]), class_="choice")] if for_all else []
    return page(
        "Permissions requested",
        tag("p", upn, class_="muted"),
        tag("p", tag("strong", app), tag("span", f" by {publisher}", class_="muted")),
        tag("p", "This app would like to:"),
        wish_list(wishes),
        form_of(form, *choice, decision("Accept", "Cancel")),
    )


def admin_consent(form: Form, app: str, publisher: str, upn: str, tenant: str, wishes: Iterable[Wish]) -> Answer:
    """What an administrator is asked to allow for a whole organization."""
    return page(
        "Permissions requested",
        tag("p", f"Review for {tenant}", class_="muted"),
        tag("p", upn, class_="muted"),
        tag("p", tag("strong", app), tag("span", f" by {publisher}", class_="muted")),
        tag("p", "This app would like to:"),
        wish_list(wishes),
        tag(
            "p",
            "If you accept, this app will get access to these resources for all users in your organization. "
            "No one else will be prompted to review these permissions.",
        ),
        form_of(form, decision("Accept", "Cancel")),
    )


def need_admin(form: Form, again: Form, app: str, upn: str, told: Mapping[str, str], wishes: Iterable[Wish]) -> Answer:
    """The person may not allow that; an administrator may sign in instead."""
    return page(
        "Need admin approval",
        tag("p", upn, class_="muted"),
        tag(
            "p",
            tag("strong", app),
            " needs permission to access resources in your organization that only an admin "
            "can grant. Please ask an admin to grant permission to this app before you can use it.",
            role="alert",
        ),
        wish_list(wishes),
        form_of(again, link("Have an admin account? Sign in with that account", "account", "other")),
        form_of(form, link("Return to the application without granting consent", "decision", "cancel")),
        details(told),
    )


def device_code(form: Form, code: str, error: str = "") -> Answer:
    """The code that a device shows."""
    field = tag(
        "input",
        type="text",
        id="otc",
        name="otc",
        value=code,
        autocomplete="off",
        autocapitalize="characters",
        spellcheck="false",
        maxlength="20",
        required=True,
        autofocus=True,
    )
    return page(
        "Enter code to allow access",
        tag("p", "Once you enter the code displayed on your app or device, it will have access to your account."),
        alert(error),
        form_of(form, tag("label", "Code", for_="otc"), field, actions(button("Next"))),
    )


def verify_device(form: Form, app: str, upn: str) -> Answer:
    """Whether the person knows what the code was for."""
    return page(
        f"Are you trying to sign in to {app}?",
        tag("p", upn, class_="muted"),
        tag("p", "Only continue if you downloaded the app from a store or website that you trust."),
        form_of(form, decision("Continue", "Cancel")),
    )


def message(title: str, text: str) -> Answer:
    """A last page."""
    return page(title, tag("p", text))


def refused(told: Mapping[str, str], again: Form | None = None) -> Answer:
    """An error that Microsoft shows itself; `told` are the fields of Entra's envelope."""
    text = told["error_description"].partition("\r\n")[0]
    retry = [form_of(again, actions(button("Use another account", "account", "other")))] if again else []
    return page("Sorry, but we\u2019re having trouble signing you in", alert(text), *retry, details(told), status=400)


def form_post(address: str, fields: Mapping[str, str]) -> Answer:
    """Sends the fields to an app by POST; without script a person presses the button."""
    form = form_of(Form(address, fields), actions(button("Continue")))
    return page("Working\u2026", tag("p", "You are being signed in to the app."), form, script=SEND)
