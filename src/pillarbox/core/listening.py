"""Where the doors listen: each listener of the settings, looked through for what cannot be meant."""

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pillarbox.core import ip
from pillarbox.core.errors import ConfigError
from pillarbox.core.settings import Door, Http, Settings
from pillarbox.core.tls import is_loopback

FIRST: Final = "smtp"
"""Name of the listener of the section `[smtp]` itself."""
_NAME: Final = re.compile(r"[a-z0-9-]{1,32}")
_TAKEN: Final = frozenset({FIRST, "sendmail", "api"})
_WIDEST: Final = {4: 8, 6: 32}
_LOCAL_NETWORKS: Final = (ipaddress.IPv6Network("fc00::/7"), ipaddress.IPv6Network("fe80::/10"))


@dataclass(frozen=True, slots=True)
class Listening:
    """One listener of the SMTP door: its name, the settings key of its address, and where it listens.

    `auth` is what counts: on a loopback address `encrypted` has become `clear`, but for clients of a load balancer.
    """

    name: str
    key: str
    door: Door
    host: str
    port: int
    auth: Literal["encrypted", "clear", "none"]


def smtp_listeners(settings: Settings) -> list[Listening]:
    """All listeners of the SMTP door, that of `[smtp]` first, where it has an address. Raises ConfigError.

    There may be none: then mail comes in by the local door and the API alone.
    """
    found = [_listening(settings, FIRST, settings.smtp)] if settings.smtp.listen else []
    for name, door in settings.smtp.listeners.items():
        _check_name(settings, name)
        found.append(_listening(settings, name, door))
    _check_addresses(settings, found)
    for name in (FIRST, *settings.smtp.listeners):
        _check_room(settings, name)
    return found


def place_of(settings: Settings, name: str, field: str) -> tuple[str, str]:
    """The key that set a listener's value, its own or that of `[smtp]`, which it inherits; and where it was set."""
    keys = [field_key(name, field), *([field_key(FIRST, field)] if field != "listen" else [])]
    key = next((key for key in keys if settings.origin(key) != "default"), keys[0])
    return key, settings.origin(key)


def certificate_files(settings: Settings, door: str) -> tuple[tuple[Path, Path] | None, str]:
    """Certificate and key that were set for a listener of the SMTP door or for `http`, and where they were set.

    One file may hold both; None where there is none. Raises ConfigError for a key alone.
    """
    section: Door | Http
    if door == "http":
        section, prefix = settings.http, "http"
        places = {name: settings.origin(f"http.{name}") for name in ("tls_cert_file", "tls_key_file")}
    else:
        section = settings.smtp if door == FIRST else settings.smtp.listeners[door]
        prefix = field_key(door, "").removesuffix(".")
        places = {name: place_of(settings, door, name)[1] for name in ("tls_cert_file", "tls_key_file")}
    cert, key = section.tls_cert_file, section.tls_key_file
    if cert is None and key is not None:
        raise ConfigError("config.key_without_certificate", place=places["tls_key_file"], door=prefix)
    return ((cert, key or cert) if cert is not None else None), places["tls_cert_file"]


def is_https(settings: Settings) -> bool:
    """Whether the HTTP listener speaks HTTPS. Raises ConfigError for an address that is none, or a key alone."""
    files, _ = certificate_files(settings, "http")
    if settings.http.tls != "auto" or not settings.http.listen:
        return settings.http.tls == "on"
    host, _ = parse_address("http.listen", settings.http.listen, settings.origin("http.listen"))
    return files is not None or not is_loopback(host)


def check_http(settings: Settings) -> None:
    """Raises ConfigError for what the HTTP listener cannot mean."""
    if settings.http.listen:
        is_https(settings)
    for name in ("trusted_proxies", "metrics_networks"):
        key = f"http.{name}"
        _refuse_wide(key, settings.origin(key), getattr(settings.http, name))


def field_key(name: str, field: str) -> str:
    """The settings key of one field of a listener."""
    return f"smtp.{field}" if name == FIRST else f"smtp.listeners.{name}.{field}"


def parse_address(key: str, text: str, place: str) -> tuple[str, int]:
    """Host and port of `host:port` or `[v6]:port`. Raises ConfigError `config.bad_listen` that names `place`."""
    host, _, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    # An IPv6 address without brackets: where its port begins, nobody can say.
    good = bool(bare) and (":" not in bare or host == f"[{bare}]")
    if not good or not (port.isascii() and port.isdigit() and len(port) < 6 and int(port) < 65536):
        raise ConfigError("config.bad_listen", place=place, key=key, value=text)
    return bare, int(port)


def written_address(host: str, port: int) -> str:
    """`host:port`, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _listening(settings: Settings, name: str, door: Door) -> Listening:
    key, place = place_of(settings, name, "listen")
    if not door.listen:
        raise ConfigError("config.no_listen", place=_table_place(settings, name), listener=name)
    host, port = parse_address(key, door.listen, place)
    # Whom a load balancer brings comes from anywhere, wherever the balancer itself is.
    loopback = is_loopback(host) and not door.proxy_networks
    _check_auth(settings, name, door, loopback=loopback)
    _check_width(settings, name, "proxy_networks", door.proxy_networks)
    auth = "clear" if door.auth == "encrypted" and loopback else door.auth
    return Listening(name, key, door, host, port, auth)


def _check_auth(settings: Settings, name: str, door: Door, *, loopback: bool) -> None:
    key, place = place_of(settings, name, "auth")
    if door.tls == "implicit" or loopback:
        return
    if door.auth == "clear":
        if not door.networks:
            raise ConfigError("config.clear_auth", place=place, key=key, listener=name)
        _check_width(settings, name, "networks", door.networks)
    if door.auth == "encrypted" and door.tls == "none":
        key, place = place_of(settings, name, "tls")
        raise ConfigError("config.no_login", place=place, key=key, listener=name)


def _check_width(settings: Settings, name: str, field: str, networks: tuple[str, ...]) -> None:
    _refuse_wide(*place_of(settings, name, field), networks)


def _refuse_wide(key: str, place: str, networks: tuple[str, ...]) -> None:
    """Nobody means half of the Internet by the network of their scanners, or of their load balancers."""
    for text in networks:
        network = ipaddress.ip_network(text)
        local = any(network.version == 6 and network.subnet_of(own) for own in _LOCAL_NETWORKS)
        if network.prefixlen < _WIDEST[network.version] and not local:
            raise ConfigError("config.wide_network", place=place, key=key, network=text)


def _check_name(settings: Settings, name: str) -> None:
    if not _NAME.fullmatch(name) or name in _TAKEN:
        raise ConfigError("config.bad_listener_name", place=_table_place(settings, name), name=name)


def _check_addresses(settings: Settings, found: list[Listening]) -> None:
    """Two listeners on one address; port 0 is another one each time."""
    for number, one in enumerate(found):
        other = next((other for other in found[:number] if other.port == one.port and _overlap(other, one)), None)
        if other is not None and one.port:
            place = settings.origin(one.key)
            raise ConfigError("config.same_listen", place=place, key=one.key, other=other.key, value=one.door.listen)


def _overlap(one: Listening, other: Listening) -> bool:
    """Whether two hosts have an address in common. Of a name but localhost nothing is known without asking for it."""
    pairs = ((a, b) for a in _reach(one.host) for b in _reach(other.host) if a.version == b.version)
    return one.host.lower() == other.host.lower() or any(a.overlaps(b) for a, b in pairs)


def _reach(host: str) -> list[ip.IPNetwork]:
    """The addresses that a listener has: `0.0.0.0` is all of IPv4, and `::` all of IPv6 alone.

    None is known of a name, and none of an address with a zone: the same one may be at each interface.
    """
    hosts = ("127.0.0.1", "::1") if host.lower() == "localhost" else (host,)
    try:
        found = [ipaddress.ip_address(one) for one in hosts if "%" not in one]
        return [ipaddress.ip_network((one, 0) if one.is_unspecified else one) for one in found]
    except ValueError:
        return []


def _check_room(settings: Settings, name: str) -> None:
    """A message of the largest size must find room where all that come in are."""
    key, place = "smtp.max_unfinished", settings.origin("smtp.max_unfinished")
    if place == "default":
        key, place = place_of(settings, name, "max_size")
    door = settings.smtp if name == FIRST else settings.smtp.listeners[name]
    if door.max_size > settings.smtp.max_unfinished:
        reason = "a message of max_size has no room in smtp.max_unfinished"
        raise ConfigError("config.wrong_value", place=place, key=key, reason=reason)


def _table_place(settings: Settings, name: str) -> str:
    """Where anything was said of this listener."""
    table = f"smtp.listeners.{name}"
    places = (settings.origin(key) for key in (table, *(f"{table}.{field}" for field in Door.model_fields)))
    return next((place for place in places if place != "default"), "default")
