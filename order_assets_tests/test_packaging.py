"""The wheel, as a user gets it: everything is in it, and it runs without the checkout around it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from order_assets.sandbox.testing import serve
from order_assets.sandbox.world import WorldSpec

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel and unpack it, which is what installing a pure wheel does."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, capture_output=True, check=True)  # noqa: S603 - our own interpreter
    (wheel,) = folder.glob("*.whl")
    assert wheel.name == f"order_assets-{metadata.version('order-assets')}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_the_wheel_holds_every_file_of_the_package(unpacked: Path) -> None:
    """A SQL file, template or migration that is left out fails only on the machine of somebody who installed it."""
    ours = {
        path.relative_to(ROOT)
        for path in (ROOT / "order_assets").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    packed = {path.relative_to(unpacked) for path in unpacked.rglob("*") if path.is_file()}
    assert ours - packed == set()
    added = {path.name for path in packed - ours if path.parts[0] == "order_assets"}
    assert added == {"dagster.yaml", "workspace.yaml", "accounts.example.toml"}
    assert Path("order_assets/py.typed") in packed
    assert any(path.name == "LICENSE" for path in packed)


def test_the_wheel_runs_in_an_empty_folder(unpacked: Path, database_url: str, tmp_path: Path) -> None:
    """Dagster looks for a project's files above the package; an installed one has none, and must bring its own."""
    folder = tmp_path / "empty"
    folder.mkdir()
    accounts = tmp_path / "accounts.toml"
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")} | {
        "PYTHONPATH": str(unpacked),  # before the editable installation, whose dependencies serve
        "ORDER_ASSETS_DATABASE_URL": database_url,
        "ORDER_ASSETS_ACCOUNTS": str(accounts),
    }

    def order_assets(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "order_assets.cli", *words]
        return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)  # noqa: S603 - ours

    assert order_assets("--version").stdout == f"order-assets {metadata.version('order-assets')}\n"
    with serve(WorldSpec(seed=3, stores=1, customers_per_store=1, members=1, orders_per_account=3.0)) as sandbox:
        accounts.write_text(sandbox.accounts_toml(), encoding="utf-8")
        accounts.chmod(0o600)
        done = order_assets("run", "--json")
        assert done.returncode == 0, done.stderr
        assert [account["status"] for account in json.loads(done.stdout)["accounts"]] == ["complete", "complete"]
    workspace = folder / ".order_assets" / "dagster" / "home" / "workspace.yaml"
    jobs = order_assets("dagster", "job", "list", "-w", str(workspace))
    assert "Job: refresh_orders" in jobs.stdout, jobs.stderr
    assert {path.name for path in folder.iterdir()} == {".order_assets"}
    env |= {"TOKEN": "any"}
    written = order_assets("init", "--store", "store_A", "--customer", "c-001=env:TOKEN")
    assert written.returncode == 0, written.stderr
    assert "# " in (folder / "accounts.toml").read_text(encoding="utf-8").split("[[scalev.stores]]")[1]
