"""What can be known of `deploy/` without Docker and without root: that its parts fit together, and
that it names settings, metrics and files that there are.
"""

from __future__ import annotations

import configparser
import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.metrics import REGISTRY
from bot.settings import Settings, load_settings

PROJECT = Path(__file__).parents[2]
DEPLOY = PROJECT / "deploy"
DASHBOARD = DEPLOY / "grafana/dashboards/cliffhanger.json"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
NOT_OURS = {
    "PATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "PIP_NO_CACHE_DIR",
    "PIP_DISABLE_PIP_VERSION_CHECK", "MPLCONFIGDIR",
    "NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES",
}  # fmt: skip
SECRETS_OF_THE_BOT_ALONE = {"discord_token", "telegram_token", "database_url"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    return found


def is_setting(key: str) -> bool:
    return key.lower() in Settings.model_fields


# -- compose ---------------------------------------------------------------------------------------
def test_services_use_only_what_is_declared(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert set(service.get("secrets", ())) <= compose["secrets"].keys(), name
        assert set(service["networks"]) <= compose["networks"].keys(), name
        assert service.get("depends_on", {}).keys() <= compose["services"].keys(), name
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert source in compose["volumes"] or (DEPLOY / source).is_dir(), volume
        for other in service.get("depends_on", {}):
            assert "healthcheck" in compose["services"][other], f"{name} waits for {other}"


def test_nothing_is_published_beyond_this_machine(compose: dict[str, Any]) -> None:
    ports = [port for one in compose["services"].values() for port in one.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_a_worker_holds_no_token_and_no_database(compose: dict[str, Any]) -> None:
    worker = compose["services"]["worker"]
    assert set(worker["secrets"]) == {"queue_url"}
    assert not set(worker["networks"]) & set(compose["services"]["postgres"]["networks"])
    unit = (DEPLOY / "systemd/cliffhanger-worker.service").read_text(encoding="utf-8")
    assert not any(secret in unit for secret in SECRETS_OF_THE_BOT_ALONE)


def test_every_container_is_hardened(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name


def test_the_gpu_variant_changes_the_worker_alone(compose: dict[str, Any]) -> None:
    cuda = yaml.safe_load((DEPLOY / "compose.cuda.yaml").read_text(encoding="utf-8"))
    assert cuda["services"].keys() == {"worker"}
    targets = [
        one["build"]["target"]
        for one in [*compose["services"].values(), *cuda["services"].values()]
        if "build" in one
    ]
    assert set(targets) <= set(stages())


def test_the_secrets_that_are_made_are_those_that_are_read(
    compose: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = shutil.copy(DEPLOY / "make-secrets", tmp_path / "make-secrets")
    for _ in range(2):  # the second time leaves all as it is
        subprocess.run([script], check=True, capture_output=True)
    folder = tmp_path / "secrets"
    made = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}
    assert {f"secrets/{name}" for name in made} == {s["file"] for s in compose["secrets"].values()}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert len({made["redis_password"], made["postgres_password"], made["grafana_password"]}) == 3
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    settings = load_settings()
    assert settings.discord_token is settings.telegram_token is None
    assert settings.queue_url == f"redis://:{made['redis_password']}@redis:6379/0"
    assert f":{made['postgres_password']}@postgres:5432/" in settings.database_url
    assert {made["redis_password"], made["postgres_password"]} <= set(settings.secrets)


# -- images ----------------------------------------------------------------------------------------
def dockerfile() -> list[str]:
    """Its instructions, each on one line."""
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return "\n".join(lines).replace("\\\n", " ").splitlines()


def stages() -> dict[str, str]:
    """Each stage and what it begins from."""
    found = [re.fullmatch(r"FROM (\S+) AS (\S+)", line) for line in dockerfile()]
    return {match[2]: match[1] for match in found if match}


def test_every_stage_begins_from_one_before_it() -> None:
    known = {"python:${PYTHON}"}
    for stage, base in stages().items():
        assert base in known, stage
        known.add(stage)
    for line in dockerfile():
        if source := re.match(r"COPY --from=(\S+)", line):
            assert source[1] in known


def test_what_is_copied_into_an_image_is_there_and_not_ignored() -> None:
    allowed = (PROJECT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for line in dockerfile():
        if line.startswith("COPY ") and "--from" not in line:
            for source in line.split()[1:-1]:
                assert (PROJECT / source).exists(), source
                assert f"!{source}" in allowed, source


def test_images_run_as_a_user_and_set_settings_that_there_are() -> None:
    text = "\n".join(dockerfile())
    for stage in ("bot", "worker", "worker-cuda"):
        block = text.split(f" AS {stage}\n")[1].split("FROM ")[0]
        assert "USER 10001" in block
        assert re.search(r'^CMD \["cliffhanger", ', block, re.MULTILINE)
    for line in dockerfile():
        if line.startswith("ENV "):
            keys = re.findall(r"(\w+)=", line)
            assert all(is_setting(key) or key in NOT_OURS for key in keys), line


def test_the_extras_that_are_installed_are_the_projects() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = {
        extra
        for path in (DEPLOY / "Dockerfile", *UNITS)
        for extras in re.findall(r"[.)]\[([\w,]+)\]", path.read_text(encoding="utf-8"))
        for extra in extras.split(",")
    }
    assert {"worker", "redis", "postgres"} == named
    assert named <= project["optional-dependencies"].keys()


# -- systemd ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_sets_settings_that_there_are(unit: Path) -> None:
    text = unit.read_text(encoding="utf-8")
    for line in re.findall(r"^Environment=(.*)$", text, re.MULTILINE):
        assert all(is_setting(key) or key in NOT_OURS for key in re.findall(r"(\w+)=", line))
    for name in re.findall(r"^#?LoadCredential=(\w+):", text, re.MULTILINE):
        assert is_setting(name)
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(text)
    assert parser.sections() == ["Unit", "Service", "Install"]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_takes_a_unit_and_calls_it_safe(unit: Path, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd here")
    text = unit.read_text(encoding="utf-8")
    here = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.MULTILINE)
    (tmp_path / unit.name).write_text(here, encoding="utf-8")
    for words in (
        ["verify", "--man=no", "--recursive-errors=no"],
        ["security", "--offline=yes", "--threshold=20", "--no-pager"],  # in tenths: 2.0 of 10
    ):
        done = subprocess.run(
            ["systemd-analyze", *words, str(tmp_path / unit.name)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "ignoring" not in done.stderr


# -- what Prometheus and Grafana ask for -----------------------------------------------------------
def exported() -> set[str]:
    """Every series name there can be, whether or not anything was counted yet."""
    ours = set(REGISTRY._names_to_collectors)
    return ours | {sample.name for metric in REGISTRY.collect() for sample in metric.samples}


def asked() -> Iterator[tuple[str, str]]:
    alerts = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text(encoding="utf-8"))
    for group in alerts["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


def test_every_query_names_metrics_and_labels_that_there_are() -> None:
    queries = list(asked())
    assert len(queries) > 30
    labels = {"le", "job", "instance"} | {
        label
        for metric in REGISTRY._names_to_collectors.values()
        for label in getattr(metric, "_labelnames", ())
    }
    for where, query in queries:
        named = set(re.findall(r"\b(?:cliffhanger|process)_\w+", query))
        assert named or "up{" in query, where
        assert named <= exported(), where
        matched = re.findall(r"(\w+)=~?\"", query)
        grouped = [
            part.strip() for by in re.findall(r"by \(([^)]*)\)", query) for part in by.split(",")
        ]
        assert set(matched + grouped) <= labels, where
        assert query.count("(") == query.count(")"), where


def test_every_metric_of_ours_is_on_the_dashboard_or_in_an_alert() -> None:
    queries = " ".join(query for _, query in asked())
    unused = {
        metric.name
        for metric in REGISTRY.collect()
        if metric.name.startswith("cliffhanger_")
        and not re.search(rf"\b{metric.name}(_total|_bucket|_count)?\b", queries)
    }
    assert unused == {"cliffhanger_build", "cliffhanger_worker"}  # texts, to look up


def test_panels_do_not_overlap() -> None:
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_prometheus_scrapes_the_port_that_images_serve_on(compose: dict[str, Any]) -> None:
    config = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text(encoding="utf-8"))
    assert "METRICS_ADDR=0.0.0.0:9100" in (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    for job in config["scrape_configs"]:
        (found,) = job["dns_sd_configs"]
        assert found["port"] == 9100
        (service,) = found["names"]
        assert job["job_name"] == f"cliffhanger-{service}"
        assert "watch" in compose["services"][service]["networks"]
    for file in config["rule_files"]:
        assert (DEPLOY / "prometheus" / file).is_file()
