"""The master key at the API: how it is used, and its rotation."""

from typing import TYPE_CHECKING

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict

from pillarbox.admin import vault
from pillarbox.core.caller import Scope
from pillarbox.endpoints.api.access import needs

if TYPE_CHECKING:
    from pillarbox.endpoints.api.app import Services


class MasterKeyOut(BaseModel):
    """A key of the ring: its id, and how many values of each table it sealed."""

    model_config = ConfigDict(extra="forbid")

    id: str
    values: dict[str, int]


class DamagedOut(BaseModel):
    """A value that does not open: which, and what to do about it."""

    model_config = ConfigDict(extra="forbid")

    code: str
    title: str
    hint: str


class VaultOut(BaseModel):
    """Where the master key comes from, its keys (the first seals), and what to do next. No key is ever shown."""

    model_config = ConfigDict(extra="forbid")

    origin: str
    rotates_itself: bool
    keys: list[MasterKeyOut]
    undecryptable: dict[str, int]
    damaged: list[DamagedOut]
    code: str
    title: str
    hint: str

    @classmethod
    def of(cls, status: vault.Status) -> "VaultOut":
        """From our word."""
        return cls(
            origin=status.origin,
            rotates_itself=status.rotates_itself,
            keys=[MasterKeyOut(id=key.id, values=dict(key.values)) for key in status.keys],
            undecryptable=dict(status.undecryptable),
            damaged=[DamagedOut(code=one.code, title=one.sentence, hint=one.cure) for one in status.damaged],
            code=status.advice.code,
            title=status.advice.sentence,
            hint=status.advice.cure,
        )


def add(app: FastAPI, services: "Services") -> None:
    """The routes of the vault."""
    rotation = services.rotation

    @app.get("/api/v1/vault", dependencies=[needs(Scope.ADMIN)])
    async def show_vault() -> VaultOut:
        """Show how the master key is used, and what does not open."""
        return VaultOut.of(await rotation.status())

    @app.post("/api/v1/vault:rotate", dependencies=[needs(Scope.ADMIN)])
    async def rotate_vault() -> VaultOut:
        """Seal everything anew with the newest master key."""
        return VaultOut.of(await rotation.rotate())
