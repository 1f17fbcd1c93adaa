"""The sandbox as a background process, and the control routes a caller of it uses."""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from order_assets.sandbox import __main__ as command
from order_assets.sandbox import process
from order_assets.sandbox.testing import RunningSandbox
from order_assets.sandbox.world import WorldSpec
from order_assets_tests.sandbox.callers import ScalevCaller

SPEC = WorldSpec(seed=3, stores=1, customers_per_store=3, members=2)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """A state folder whose server is gone afterwards."""
    yield tmp_path
    process.stop(tmp_path)


def pid_of(state: Path) -> int:
    """The process that answers."""
    running = process.status(state)
    assert running is not None
    return running.pid


def test_start_find_and_stop(state: Path) -> None:
    """A second start finds the first server; stop ends it and says whether there was one."""
    assert process.status(state) is None
    assert process.stop(state) is False
    url = process.start(state, SPEC)
    assert process.start(state, SPEC) == url
    running = process.status(state)
    assert running is not None
    assert running.base_url == url
    assert httpx.get(f"{url}/sandbox/health").json()["seed"] == 3
    assert process.stop(state) is True
    assert process.status(state) is None


def test_another_world_replaces_the_server(state: Path) -> None:
    """Data of an old seed under a new name would be a riddle; the port stays."""
    url = process.start(state, SPEC)
    assert process.start(state, WorldSpec(seed=4, stores=1, customers_per_store=1, members=1)) == url
    assert httpx.get(f"{url}/sandbox/health").json()["seed"] == 4


def test_concurrent_starts_share_one_server(state: Path) -> None:
    """Several workers of one refresh call this at once."""
    code = (
        "import sys; from pathlib import Path; from order_assets.sandbox import process;"
        "from order_assets.sandbox.world import WorldSpec;"
        "print(process.start(Path(sys.argv[1]), WorldSpec(seed=3, stores=1, customers_per_store=3, members=2)))"
    )

    def run() -> str:
        done = subprocess.run(  # noqa: S603 - our own interpreter
            [sys.executable, "-c", code, str(state)], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    with ThreadPoolExecutor(6) as pool:
        urls = {future.result() for future in [pool.submit(run) for _ in range(3)]} | {
            future.result() for future in [pool.submit(process.start, state, SPEC) for _ in range(3)]
        }
    assert len(urls) == 1
    assert (state / "sandbox" / "server.log").read_text().count("sandbox on") == 1


def test_recovers_from_kill(state: Path) -> None:
    """After kill -9 the next start is on the same port, and old tokens are good."""
    url = process.start(state, SPEC)
    accounts = tomllib.loads(httpx.get(f"{url}/sandbox/accounts.toml").text)
    killed = pid_of(state)
    os.kill(killed, signal.SIGKILL)
    assert process.start(state, SPEC) == url
    assert pid_of(state) != killed
    store = accounts["scalev"]["stores"][0]
    token = store["customers"][0]["access_token"]
    answer = httpx.get(
        f"{url}/v3/stores/{store['store_id']}/customers/me/orders", headers={"Authorization": f"Bearer {token}"}
    )
    assert answer.status_code == 200


def test_a_taken_port_is_left_alone(state: Path) -> None:
    """Something else may have taken the port meanwhile; it is neither used nor killed."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        (state / "sandbox").mkdir()
        (state / "sandbox" / "server.json").write_text(json.dumps({"pid": os.getpid(), "port": port}))
        url = process.start(state, SPEC)
    assert url.startswith("http://127.0.0.1:")
    assert not url.endswith(f":{port}")


def test_survives_the_callers_interrupt(state: Path) -> None:
    """Ctrl-C goes to the caller's process group; the server is not in it."""
    process.start(state, SPEC)
    assert os.getpgid(pid_of(state)) != os.getpgid(0)
    assert os.getsid(pid_of(state)) != os.getsid(0)


def test_a_damaged_file_is_no_obstacle(state: Path) -> None:
    """Half a line after a full disk must not need a human."""
    (state / "sandbox").mkdir()
    (state / "sandbox" / "server.json").write_text('{"pid": ')
    assert process.start(state, SPEC).startswith("http://127.0.0.1:")


def test_only_loopback_is_bound() -> None:
    """Invented or not, the sandbox is nobody else's business."""
    with pytest.raises(argparse.ArgumentTypeError, match="loopback"):
        command._loopback("0.0.0.0")  # noqa: S104 - must be refused
    assert command._loopback("127.0.0.1") == "127.0.0.1"


def test_command_refuses_a_taken_port(capsys: pytest.CaptureFixture[str]) -> None:
    """In the foreground the port was asked for; another one would surprise."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        assert command.main(["--port", str(other.getsockname()[1])]) == 1
    assert "try another --port" in capsys.readouterr().err


def test_help_names_every_fault(capsys: pytest.CaptureFixture[str]) -> None:
    """The help is where a user finds them."""
    with pytest.raises(SystemExit, match="0"):
        command.main(["--help"])
    assert "cursor_cycle" in capsys.readouterr().out


def test_accounts_file_opens_every_account(sandbox: RunningSandbox, http: httpx.Client) -> None:
    """`make run` without accounts lives on this file."""
    accounts = tomllib.loads(http.get("/sandbox/accounts.toml").text)
    scalev, programme = accounts["scalev"], accounts["ktsp"]["programmes"][0]
    assert scalev["base_url"] == programme["base_url"] == sandbox.base_url
    seen = set()
    for store in scalev["stores"]:
        for customer in store["customers"]:
            account = f"{store['store_id']}/{customer['name']}"
            caller = ScalevCaller(sandbox, http, account)
            assert caller.get(token=customer["access_token"]).status_code == 200
            answer = caller.auth("jwt/refresh", {"refresh": customer["refresh_token"]}, key=store["storefront_key"])
            assert answer.status_code == 200
            seen.add(account)
    keys = {"appKey": programme["app_key"], "appSecret": programme["app_secret"]}
    headers = {"Authorization": http.post("/v1/auth", json=keys).json()["token"], "X-App-Key": keys["appKey"]}
    for member in programme["members"]:
        answer = http.post("/v1/order/list", json={"memberId": member["member_id"]}, headers=headers)
        assert answer.json()["status"] == 1
        seen.add(f"{programme['name']}/{member['member_id']}")
    assert seen == set(sandbox.world.accounts)
