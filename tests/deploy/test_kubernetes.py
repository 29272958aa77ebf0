"""deploy/kubernetes/: valid by the schema, careful, and of one piece."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from bench.settings_page import groups
from server.metrics import PREFIX
from server.supervisor import DRAIN_TIMEOUT_S
from server.tiers.config import MODEL_SERVER_PORT, link_config
from server.tiers.keys import KEY_VARIABLE
from tests.conformance.server_process import ROOT

FOLDERS: Final = sorted(path for path in (ROOT / "deploy" / "kubernetes").iterdir())
GPU: Final = "nvidia.com/gpu"


class Manifests:
    """The resources of one folder, as its kustomization names them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text("utf-8"))
        self.namespace: str = kustomization["namespace"]
        self.files = [folder / name for name in kustomization["resources"]]
        self.resources: list[dict[str, Any]] = [
            resource
            for file in self.files
            for resource in yaml.safe_load_all(file.read_text(encoding="utf-8"))
        ]

    def of(self, kind: str, name: str) -> dict[str, Any]:
        """The spec of a resource."""
        wanted = (kind, name)
        (found,) = (
            one for one in self.resources if (one["kind"], one["metadata"]["name"]) == wanted
        )
        spec: dict[str, Any] = found["spec"]
        return spec

    def container(self, tier: str) -> dict[str, Any]:
        """The only one of a Deployment."""
        (found,) = self.of("Deployment", tier)["template"]["spec"]["containers"]
        return dict(found)

    def tiers(self) -> list[str]:
        """The names of the Deployments."""
        return [one["metadata"]["name"] for one in self.resources if one["kind"] == "Deployment"]


MANIFESTS: Final = [Manifests(folder) for folder in FOLDERS]
TIERS: Final = [
    pytest.param(manifests, tier, id=f"{manifests.folder.name}-{tier}")
    for manifests in MANIFESTS
    for tier in manifests.tiers()
]
each_folder = pytest.mark.parametrize(
    "manifests", MANIFESTS, ids=lambda manifests: manifests.folder.name
)
each_tier = pytest.mark.parametrize(("manifests", "tier"), TIERS)


def test_there_are_folders() -> None:
    assert TIERS


@each_folder
def test_every_file_is_part_of_it(manifests: Manifests) -> None:
    folder = manifests.folder
    assert {*manifests.files, folder / "kustomization.yaml"} == set(folder.glob("*"))


@each_folder
def test_the_schema_allows_it(manifests: Manifests) -> None:
    if importlib.util.find_spec("kubernetes_validate") is None:
        pytest.skip("kubernetes-validate is not installed (pip install kubernetes-validate)")
    command = [sys.executable, "-m", "kubernetes_validate", "--strict", *map(str, manifests.files)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@each_folder
def test_kustomize_puts_it_together(manifests: Manifests) -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not installed")
    command = [kubectl, "kustomize", str(manifests.folder)]
    built = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = list(yaml.safe_load_all(built))
    assert len(found) == len(manifests.resources)
    placed = [one["metadata"].get("namespace") for one in found if one["kind"] != "Namespace"]
    assert set(placed) == {manifests.namespace}


@each_tier
def test_containers_have_no_rights(manifests: Manifests, tier: str) -> None:
    pod = manifests.of("Deployment", tier)["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert manifests.container(tier)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


@each_tier
def test_names_meet(manifests: Manifests, tier: str) -> None:
    deployment = manifests.of("Deployment", tier)
    labels = deployment["template"]["metadata"]["labels"]
    ports = {port["name"] for port in manifests.container(tier)["ports"]}
    assert manifests.of("Service", tier)["selector"].items() <= labels.items()
    assert {port["targetPort"] for port in manifests.of("Service", tier)["ports"]} <= ports
    for kind, selector in (("PodDisruptionBudget", "selector"), ("NetworkPolicy", "podSelector")):
        assert manifests.of(kind, tier)[selector]["matchLabels"].items() <= labels.items()
    assert deployment["selector"]["matchLabels"].items() <= labels.items()
    assert manifests.of("HorizontalPodAutoscaler", tier)["scaleTargetRef"]["name"] == tier


@each_tier
def test_variables_are_settings(manifests: Manifests, tier: str) -> None:
    known = {setting.variable for group in groups().values() for setting in group} | {KEY_VARIABLE}
    assert {variable["name"] for variable in manifests.container(tier).get("env", [])} <= known


@each_tier
def test_there_is_time_to_drain(manifests: Manifests, tier: str) -> None:
    """First nobody new comes (preStop waits for those that are there), then SIGTERM and finals."""
    waits_s = 0.0
    if tier != "modelserver":  # whose streams go on elsewhere
        command = manifests.container(tier)["lifecycle"]["preStop"]["exec"]["command"]
        waits_s = float(command[command.index("--within") + 1])
        assert command[:3] == ["python", "/opt/engine/probe.py", "idle"]
    pod = manifests.of("Deployment", tier)["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] > waits_s + DRAIN_TIMEOUT_S


@each_tier
def test_probes_ask_for_pages_that_there_are(manifests: Manifests, tier: str) -> None:
    paths = {
        manifests.container(tier)[probe]["httpGet"]["path"]
        for probe in ("startupProbe", "readinessProbe", "livenessProbe")
    }
    assert paths == {"/healthz", "/readyz"}
    assert manifests.container(tier)["readinessProbe"]["httpGet"]["path"] == "/readyz"


@each_tier
def test_scaling_follows_the_streams(manifests: Manifests, tier: str) -> None:
    (metric,) = manifests.of("HorizontalPodAutoscaler", tier)["metrics"]
    assert metric["pods"]["metric"]["name"] == f"{PREFIX}streams"


@each_tier
def test_a_gpu_comes_with_the_image_for_it(manifests: Manifests, tier: str) -> None:
    container = manifests.container(tier)
    has_gpu = container["resources"]["limits"].get(GPU) == 1
    assert container["image"] == f"realtime-engine:{'cuda' if has_gpu else 'cpu'}"


@each_folder
def test_somebody_has_a_gpu(manifests: Manifests) -> None:
    limits = [manifests.container(tier)["resources"]["limits"] for tier in manifests.tiers()]
    assert sum(limit.get(GPU, 0) for limit in limits) == 1


def test_the_two_tiers_meet() -> None:
    (manifests,) = (one for one in MANIFESTS if one.folder.name == "two-tier")
    given = {
        variable["name"]: variable.get("value", "a secret of the cluster")
        for variable in manifests.container("websocket")["env"]
    }
    found = link_config({}, given)
    assert found is not None
    (host,) = found.hosts
    service = manifests.of("Service", host.name)
    assert [port["port"] for port in service["ports"]] == [host.port] == [MODEL_SERVER_PORT]
    assert service["clusterIP"] == "None", "the name stands for every pod"
    assert manifests.container(host.name)["args"] == ["model-server"]
    policy = manifests.of("NetworkPolicy", host.name)["ingress"][0]["from"][0]["podSelector"]
    labels = manifests.of("Deployment", "websocket")["template"]["metadata"]["labels"]
    assert policy["matchLabels"].items() <= labels.items()
