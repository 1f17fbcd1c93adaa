"""The files of deploy/ agree with the project they deploy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml

from order_assets import runtime, settings
from order_assets.accounts_file import SettingsError

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"


def document(path: Path) -> dict[str, Any]:
    """Return a YAML file."""
    loaded: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return loaded


def locked(path: Path) -> dict[str, str]:
    """Return packages and versions of a lock file."""
    return dict(re.findall(r"^([a-z0-9_.-]+)==(\S+)", path.read_text(encoding="utf-8"), re.MULTILINE))


@pytest.fixture
def values() -> Mapping[str, Any]:
    """Values of the Helm chart."""
    return document(DEPLOY / "kubernetes" / "values.yaml")


def test_the_image_runs_the_versions_that_are_tested() -> None:
    """Without it, the image would keep old versions, or versions nobody tried, after requirements.lock was renewed."""
    tested, deployed = locked(ROOT / "requirements.lock"), locked(DEPLOY / "requirements.lock")
    assert deployed["dagster-k8s"] == deployed["dagster-celery"] == deployed["dagster-postgres"]
    assert {name for name in deployed if deployed[name] != tested.get(name, deployed[name])} == set()
    assert not deployed.keys() & {"pytest", "mypy", "ruff"}
    uv = re.search(r"^UV := (uv==\S+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert uv
    assert uv[1] in (DEPLOY / "Containerfile").read_text(encoding="utf-8")


def test_the_container_file_copies_what_there_is_and_no_secret() -> None:
    """A file that was moved breaks the build; a whole folder copied could hold accounts.toml, .env and keys."""
    copies = re.findall(
        r"^COPY (?!--from)(.+) \S+$", (DEPLOY / "Containerfile").read_text(encoding="utf-8"), re.MULTILINE
    )
    sources = [source for line in copies for source in line.split()]
    assert "order_assets" in sources
    assert [source for source in sources if source == "." or not (ROOT / source).exists()] == []


def test_celery_changes_only_where_runs_are_executed() -> None:
    """A setting that is improved for one machine would be forgotten for many."""
    one, many = document(ROOT / "dagster.yaml"), document(DEPLOY / "celery" / "dagster.yaml")
    differing = {key for key in one.keys() | many.keys() if one.get(key) != many.get(key)}
    assert differing == {"run_launcher", "compute_logs", "run_monitoring", "concurrency"}
    alone, shared = one["concurrency"]["pools"], many["concurrency"]["pools"]
    assert alone == {**shared, "default_limit": 1}, "on one machine the runs of a backfill wait to be taken along"


def test_the_chart_is_given_what_order_assets_sets_elsewhere(
    values: Mapping[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The chart starts Dagster without `order-assets`: without these two, events are written one by one."""
    monkeypatch.setenv("ORDER_ASSETS_DATABASE_URL", "postgresql://user@db.example.com/orders")
    monkeypatch.setenv("ORDER_ASSETS_STATE", str(tmp_path))
    (code,) = values["dagster-user-deployments"]["deployments"]
    ours = {name: value for name, value in runtime.dagster_environment().items() if name.startswith("DAGSTER_E")}
    assert ours.items() <= code["env"].items()
    for name, value in code["env"].items():
        monkeypatch.setenv(name, value)
    assert runtime.accounts_per_run() == 50
    (mount,) = code["volumeMounts"]
    with pytest.raises(SettingsError, match=mount["mountPath"]):
        settings.accounts_path()  # it is there that the file is looked for


def test_the_chart_is_of_the_same_dagster_and_the_same_image(values: Mapping[str, Any]) -> None:
    """Dagster's parts speak to each other only in one version, and to PostgreSQL only by psycopg2."""
    version = locked(ROOT / "requirements.lock")["dagster"]
    text = (DEPLOY / "kubernetes" / "values.yaml").read_text(encoding="utf-8")
    assert set(re.findall(r"\b\d+\.\d+\.\d+\b", text)) == {version, metadata.version("order-assets")}
    (code,) = values["dagster-user-deployments"]["deployments"]
    assert values["dagsterWebserver"]["image"] == values["dagsterDaemon"]["image"] == code["image"]
    assert values["postgresql"]["postgresqlScheme"] == "postgresql+psycopg2"
    web = values["dagsterWebserver"]
    assert web["readinessProbe"]["httpGet"]["port"] == web["service"]["port"] > 1024
