"""What the audit log calls an act, as people say it: as the buttons do by which it is done."""

from collections.abc import Mapping
from typing import Final

from pillarbox.endpoints.console.languages import N_, Language

_ACTS: Final[Mapping[str, str]] = {
    "add_api_key": N_("Add an API key"),
    "add_app": N_("Add an app registration"),
    "add_connect_link": N_("Make a link"),
    "add_credential": N_("Add a credential"),
    "add_mailbox": N_("Add a mailbox"),
    "add_person": N_("Invite somebody"),
    "add_submitter": N_("Add a device or program"),
    "add_token": N_("Make a token"),
    "approve_send": N_("Approve"),
    "cancel_send": N_("Cancel"),
    "change_api_key": N_("Change an API key"),
    "change_app": N_("Change the IDs"),
    "change_mailbox": N_("Let an app registration act for it"),
    "change_my_password": N_("Change the password"),
    "change_person": N_("Change a person"),
    "change_submitter": N_("Change a device or program"),
    "choose_for_mailbox": N_("Choose how a mailbox sends"),
    "choose_password": N_("Choose a password"),
    "confirm_second_factor": N_("Turn the second factor on"),
    "connect_mailbox": N_("Connect a mailbox"),
    "decide_sends": N_("Decide about several messages"),
    "drop_second_factor": N_("Turn the second factor off"),
    "invite_person": N_("Make a new link"),
    "let_in_address": N_("Let this address in now"),
    "make_recovery_codes": N_("Make new codes"),
    "pause_mailbox": N_("Pause"),
    "pause_outbox": N_("Pause all sending"),
    "read_send": N_("Read the message"),
    "reject_send": N_("Reject"),
    "remove_api_key": N_("Remove an API key"),
    "remove_app": N_("Remove an app registration"),
    "remove_credential": N_("Remove the credential"),
    "remove_mailbox": N_("Remove a mailbox"),
    "remove_person": N_("Remove a person"),
    "remove_submitter": N_("Remove a device or program"),
    "remove_token": N_("Remove the token"),
    "resolve_send": N_("It was sent"),
    "resume_mailbox": N_("Resume"),
    "resume_outbox": N_("Let it go on"),
    "retry_send": N_("Send again"),
    "revoke_connect_link": N_("Take the link back"),
    "rotate_api_key": N_("Make a new key"),
    "sign_in": N_("Sign in"),
    "sign_out": N_("Sign out"),
    "sign_out_everywhere": N_("Sign out everywhere"),
    "sign_out_person": N_("Sign somebody out"),
    "test_app": N_("Test an app registration"),
    "test_mailbox": N_("Test a mailbox"),
}
"""What people do at the console; acts of commands and programs alone keep the name that the API gives them."""


def of_act(act: str, language: Language) -> str:
    """An act in this language; its name where it has no word."""
    return language.say(_ACTS.get(act, act))


def acts(language: Language) -> list[tuple[str, str]]:
    """Those that have a word: name and word, in the order of the words."""
    return sorted(((act, language.say(text)) for act, text in _ACTS.items()), key=lambda one: one[1].casefold())
