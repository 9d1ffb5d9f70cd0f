"""Submitters and their tokens at the API. Passwords and tokens that were made here go out once, and never again."""

from typing import TYPE_CHECKING

from fastapi import FastAPI, Response
from pydantic import SecretStr

from pillarbox.core import ip
from pillarbox.core.accounts import Submitter
from pillarbox.core.caller import Scope
from pillarbox.core.errors import InvalidInput
from pillarbox.core.vault import Secret
from pillarbox.endpoints.api import models
from pillarbox.endpoints.api.access import needs
from pillarbox.endpoints.api.etags import IfMatch, Versions
from pillarbox.endpoints.api.paging import Paging

if TYPE_CHECKING:
    from pillarbox.endpoints.api.app import Services

_PATH = "/api/v1/submitters"


def add(app: FastAPI, services: "Services") -> None:
    """Add the routes of submitters."""
    submitters = services.submitters
    # Its tokens have routes of their own.
    versions = Versions(volatile=frozenset({"last_used_at", "tokens"}), once=frozenset({"password"}))

    def changed(name: str, change: str) -> None:
        services.log.info("account.changed", what="submitter", name=name, change=change)

    async def shown(submitter: Submitter, password: Secret | None = None) -> models.SubmitterOut:
        return models.SubmitterOut.of(submitter, await submitters.tokens(submitter.name), password)

    async def shown_now(name: str) -> models.SubmitterOut:
        return await shown(await submitters.get(name))

    @app.get(_PATH, dependencies=[needs(Scope.ADMIN)])
    async def list_submitters(paging: Paging) -> models.Submitters:
        """List the submitters."""
        page, following = paging.cut(await submitters.list(), key=lambda one: one.name)
        return models.Submitters(data=[await shown(one) for one in page], next=following)

    @app.get(_PATH + "/{name}", dependencies=[needs(Scope.ADMIN)])
    async def show_submitter(name: str, response: Response) -> models.SubmitterOut:
        """Show a submitter."""
        return versions.tell(response, await shown_now(name))

    @app.post(_PATH, status_code=201, dependencies=[needs(Scope.ADMIN)])
    async def add_submitter(new: models.NewSubmitter) -> models.SubmitterOut:
        """Add a submitter; a password that is made for it is in this answer alone."""
        given = _secret(new.password)
        added, password = await submitters.add(new.name, new.wish(), given, no_password=new.no_password)
        changed(added.name, "added")
        return await shown(added, None if given else password)

    @app.patch(_PATH + "/{name}", dependencies=[needs(Scope.ADMIN)])
    async def change_submitter(
        name: str, change: models.SubmitterChange, response: Response, if_match: IfMatch = None
    ) -> models.SubmitterOut:
        """Change a submitter; what is left out stays as it is."""
        async with versions.changing(if_match, lambda: shown_now(name)):
            after, password = await submitters.change(
                name,
                change.wish(),
                _secret(change.password),
                no_password=change.no_password,
                new_password=change.new_password,
            )
        changed(name, ", ".join(sorted(change.model_fields_set)) or "nothing")
        return versions.tell(response, await shown(after, password))

    @app.delete(_PATH + "/{name}", status_code=204, dependencies=[needs(Scope.ADMIN)])
    async def remove_submitter(name: str, if_match: IfMatch = None) -> None:
        """Remove a submitter, and its tokens with it."""
        async with versions.changing(if_match, lambda: shown_now(name)):
            await submitters.remove(name)
        changed(name, "removed")

    @app.post(_PATH + ":let-in", dependencies=[needs(Scope.ADMIN)])
    async def let_in_address(wanted: models.LetIn) -> models.LetInOut:
        """Let an address in that is kept out for failed logins: those are forgotten, of all names."""
        if ip.parse(wanted.address) is None:
            raise InvalidInput("submitter.bad_network", network=wanted.address)
        return models.LetInOut(address=wanted.address, was_kept_out=submitters.let_in(wanted.address))

    @app.get(_PATH + "/{name}/tokens", dependencies=[needs(Scope.ADMIN)])
    async def list_tokens(name: str) -> models.SubmitterTokens:
        """List the tokens of a submitter: their ids, never themselves."""
        return models.SubmitterTokens(data=[models.SubmitterToken.of(one) for one in await submitters.tokens(name)])

    @app.post(_PATH + "/{name}/tokens", status_code=201, dependencies=[needs(Scope.ADMIN)])
    async def add_token(name: str, new: models.NewSubmitterToken) -> models.SubmitterToken:
        """Make a token of a submitter, which is in this answer alone."""
        token = await submitters.add_token(name, new.id)
        changed(name, f"token {new.id} added")
        kept = next(one for one in await submitters.tokens(name) if one.id == new.id)
        return models.SubmitterToken.of(kept, token)

    @app.delete(_PATH + "/{name}/tokens/{token_id}", status_code=204, dependencies=[needs(Scope.ADMIN)])
    async def remove_token(name: str, token_id: str) -> None:
        """Remove a token of a submitter."""
        await submitters.remove_token(name, token_id)
        changed(name, f"token {token_id} removed")


def _secret(given: SecretStr | None) -> Secret | None:
    return None if given is None else Secret(given.get_secret_value())
