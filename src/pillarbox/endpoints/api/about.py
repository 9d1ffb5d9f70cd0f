"""What runs here: the settings as they count, and the packages that are shipped."""

from typing import TYPE_CHECKING

from fastapi import FastAPI

from pillarbox.core import shipped
from pillarbox.core.caller import Scope
from pillarbox.core.effective import Effective, effective
from pillarbox.endpoints.api.access import ANY_CALLER, needs
from pillarbox.endpoints.api.models import Model

if TYPE_CHECKING:
    from pillarbox.endpoints.api.app import Services


class SettingOut(Model):
    """A setting as it counts: what it means, its value (a secret as stars), and where that was set (`origin`).

    The origin is a file, a variable of the environment, a flag, the cloud whose address it is, or `default`.
    """

    key: str
    meaning: str
    value: str | int | float | bool | None
    origin: str

    @classmethod
    def of(cls, setting: Effective) -> "SettingOut":
        """From our word."""
        return cls(**setting._asdict())


class Settings(Model):
    """All settings, in the order of the reference."""

    data: list[SettingOut]


class PackageOut(Model):
    """A package that Pillarbox needs, as it is installed here; `licence` is empty where it says none."""

    name: str
    version: str
    licence: str


class Packages(Model):
    """Pillarbox, and all packages that it needs, by name."""

    data: list[PackageOut]


def add(app: FastAPI, services: "Services") -> None:
    """Add the routes."""

    @app.get("/api/v1/settings", dependencies=[needs(Scope.DOCTOR_RUN)])
    async def show_settings() -> Settings:
        """Show every setting with what it means, its value and where it comes from. Secrets are stars."""
        return Settings(data=list(map(SettingOut.of, effective(services.settings))))

    @app.get("/api/v1/packages", dependencies=[ANY_CALLER])
    async def list_packages() -> Packages:
        """List what is shipped with Pillarbox, and under which licences."""
        return Packages(data=[PackageOut(**one._asdict()) for one in shipped.packages()])
