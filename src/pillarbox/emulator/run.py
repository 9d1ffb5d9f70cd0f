"""The emulator as a process of its own: start, seed, announce, run until told to stop, leave nothing behind."""

import asyncio
import contextlib
import fcntl
import importlib.util
import ipaddress
import json
import os
import re
import secrets
import signal
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pillarbox.emulator import announce, rule_file, seed_file, state
from pillarbox.emulator.certificates import Certificates
from pillarbox.emulator.entra.refresh_tokens import RefreshTokens
from pillarbox.emulator.entra.tokens import SigningKey
from pillarbox.emulator.seed import seed
from pillarbox.emulator.server import WILDCARDS, Emulator
from pillarbox.emulator.state import State
from pillarbox.emulator.switches import switch, switches
from pillarbox.emulator.world import World

ANY_PORT = "127.0.0.1:0"
LOCK = "lock"
HOST = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*", re.IGNORECASE)
SAVE_EVERY = 10.0
"""Seconds after which the state is written anew, if anything was asked meanwhile."""
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass(frozen=True)
class Options:
    """How to run. `directory` gets the CA file; without it the state folder, or a temporary one.

    `listen`, `smtp` and `imap` are `host:port`; without the latter two there is Exchange on free ports if the package
    that it needs is installed. `host` is the name or address under which others reach it. `names` is an address on
    whose ports 443, 587 and 993 it listens too. `seed` is a file of tenants in place of contoso.example, `state` a
    folder that keeps the world from one run to the next, `faults` a file of rules. `discard` keeps no mails, and
    without `limits` Microsoft's limits do not hold.
    """

    directory: Path | None = None
    listen: str = ANY_PORT
    host: str | None = None
    smtp: str | None = None
    imap: str | None = None
    names: str | None = None
    seed: Path | None = None
    state: Path | None = None
    faults: Path | None = None
    discard: bool = False
    limits: bool = True


async def serve(options: Options, say: Callable[[str], None], *, as_json: bool) -> None:
    """Run an emulator until SIGTERM, SIGINT or SIGHUP.

    `say` is called once when all is ready: with one JSON line, or with a table for people. A bad address or file is a
    ValueError, a port in use or a file that is not there an OSError, and Exchange without its package a RuntimeError.
    """
    host, port = parse_listen(options.listen)
    smtp, imap = (parse_listen(each or ANY_PORT) for each in (options.smtp, options.imap))
    with _locked(options.state), _directory(options) as directory:
        kept = _open_state(options)
        emulator = _make(options, directory, kept, host)
        stop = asyncio.Event()
        # The signals are ours until all is saved: a second Ctrl-C must not lose what the first would keep.
        with _signals(stop):
            try:
                shown = parse_host(options.host) if options.host else None
                await emulator.start(host, port, smtp=smtp, imap=imap, names=options.names, shown_as=shown)
                _save(options, kept)  # Before the secrets are told.
                facts = announce.ready_facts(emulator.announcement)
                say(json.dumps(facts) if as_json else announce.table(facts))
                await _until(stop, options, kept, emulator)
            finally:
                await emulator.stop()
                _save(options, kept)


async def _until(stop: asyncio.Event, options: Options, kept: State, emulator: Emulator) -> None:
    """Wait for the end, and save now and then: a kill loses little."""
    asked = emulator.ledger.requests.total()
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SAVE_EVERY if options.state else None):
                await stop.wait()
        if emulator.ledger.requests.total() != asked:
            asked = emulator.ledger.requests.total()
            _save(options, kept)


def _save(options: Options, kept: State) -> None:
    if options.state:
        state.save(options.state, kept)


def parse_listen(listen: str) -> tuple[str, int]:
    """Host and port of `host:port`; IPv6 hosts in brackets."""
    host, colon, port = listen.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"not host:port: {listen}")
    return host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port)


def parse_host(text: str) -> str:
    """A host's name or address, without a port; a ValueError for anything else."""
    with contextlib.suppress(ValueError):
        return str(ipaddress.ip_address(text.removeprefix("[").removesuffix("]")))
    if not HOST.fullmatch(text):
        raise ValueError(f"not a host name or address: {text}")
    return text


def _open_state(options: Options) -> State:
    """What the folder keeps; a world that is seeded now where there is no folder, or nothing in it.

    Limits and switches are not kept: they hold for one run, as its options say.
    """
    kept = state.load(options.state, secrets.token_bytes) if options.state else None
    if kept is None:
        kept = State(World(), RefreshTokens(secrets.token_bytes), SigningKey().pem)
        _seed(kept.world, options.seed)
    switch(kept.world, switches(World()))
    return kept


def _seed(world: World, file: Path | None) -> None:
    if file:
        seed_file.plant(world, file)
    else:
        seed(world)


def _make(options: Options, directory: Path, kept: State, host: str) -> Emulator:
    exchange = bool(options.smtp or options.imap) or importlib.util.find_spec("aiosmtpd") is not None
    hosts = [each for each in (options.host and parse_host(options.host), host) if each and each not in WILDCARDS]
    emulator = Emulator(
        directory,
        world=kept.world,
        certificates=Certificates.kept(options.state, *hosts) if options.state else Certificates.make(*hosts),
        signing_key=SigningKey(kept.signing_key),
        refresh_tokens=kept.refresh_tokens,
        keep_bytes=not options.discard,
        exchange=exchange,
        keeps_ca=directory == options.state,
    )
    if not options.limits or options.discard:
        emulator.world.limits.switch_off()
    if options.faults:
        rule_file.read(options.faults).apply(emulator.world, emulator.faults)
    return emulator


@contextlib.contextmanager
def _directory(options: Options) -> Iterator[Path]:
    """Where the CA file goes."""
    chosen = options.directory or options.state
    if chosen:
        yield chosen
        return
    with tempfile.TemporaryDirectory(prefix="pillarbox-emulator-") as folder:
        yield Path(folder)


@contextlib.contextmanager
def _locked(folder: Path | None) -> Iterator[None]:
    """Hold the state folder for this process; a ValueError if another one does."""
    if folder is None:
        yield
        return
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise ValueError(f"another emulator uses {folder}") from None
    finally:
        os.close(lock)


@contextlib.contextmanager
def _signals(stop: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
