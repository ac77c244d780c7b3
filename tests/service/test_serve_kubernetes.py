"""The Kubernetes files against the published schemas; Kubernetes' own, and KServe's Python models.

`.ci/run engines` installs both: pip install kubernetes-validate kubernetes six; pip install --no-deps kserve.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
import types
from pathlib import Path
from typing import Any

import pytest

yaml = pytest.importorskip("yaml", reason="needs pyyaml")

from paths import ROOT  # noqa: E402

FOLDER = ROOT / "samples" / "kubernetes"


def documents(name: str) -> list[dict[str, Any]]:
    return [each for each in yaml.safe_load_all((FOLDER / name).read_text()) if each]


def test_deployment_service_and_autoscaler_fit_kubernetes_schemas() -> None:
    kubernetes_validate = pytest.importorskip("kubernetes_validate", reason="needs kubernetes-validate")
    found = documents("deployment.yaml")
    assert [each["kind"] for each in found] == ["Deployment", "Service", "HorizontalPodAutoscaler"]
    for version in ("1.29", kubernetes_validate.latest_version()):
        for each in found:
            kubernetes_validate.validate(each, version, strict=True)
    broken = {**found[0], "spec": {**found[0]["spec"], "replica": 2}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, "1.29", strict=True)


def kserve_models() -> Any:
    """Import KServe's models without its server and all that this wants."""
    spec = importlib.util.find_spec("kserve")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("needs kserve, of which the models are enough")
    pytest.importorskip("kubernetes", reason="needs kubernetes")
    package = types.ModuleType("kserve")
    package.__path__ = list(spec.submodule_search_locations)
    sys.modules["kserve"] = package
    return importlib.import_module("kserve.models")


def check(value: Any, kind: str, models: list[Any], where: str) -> None:
    """Compare a value with a model of the OpenAPI generator: every key known, every type right."""
    if value is None:
        return
    inner = re.fullmatch(r"([Ll]ist|[Dd]ict)[\[(](?:str, )?(.*)[\])]", kind)  # kubernetes 37: List[str]
    if inner and inner[1].lower() == "list":
        assert isinstance(value, list), where
        for i, each in enumerate(value):
            check(each, inner[2], models, f"{where}[{i}]")
    elif inner:
        assert isinstance(value, dict), where
        for key, each in value.items():
            check(each, inner[2], models, f"{where}.{key}")
    elif kind in ("str", "int", "bool", "float"):
        assert type(value).__name__ == kind, f"{where} is {value!r}, not a {kind}"
    elif kind not in ("object", "datetime"):
        model = next(getattr(module, kind) for module in models if hasattr(module, kind))
        assert isinstance(value, dict), where
        names = {name: attribute for attribute, name in model.attribute_map.items()}
        for key, each in value.items():
            assert key in names, f"{where} has no {key}"
            if type(each).__name__ != "int" or model.openapi_types[names[key]] != "object":
                check(each, model.openapi_types[names[key]], models, f"{where}.{key}")


def test_inference_service_fits_kserve_s_models() -> None:
    models = [kserve_models()]
    models.append(importlib.import_module("kubernetes.client.models"))
    (service,) = documents("inferenceservice.yaml")
    assert service["metadata"]["annotations"]["serving.kserve.io/deploymentMode"] == "Standard"
    spec = service.pop("spec")
    metadata = service.pop("metadata")
    assert service == {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService"}
    check(spec, "V1beta1InferenceServiceSpec", models, "spec")
    check(metadata, "V1ObjectMeta", models, "metadata")
    with pytest.raises(AssertionError, match="has no minReplica"):
        check({"predictor": {"minReplica": 1}}, "V1beta1InferenceServiceSpec", models, "spec")


def test_the_files_agree_with_the_server() -> None:
    """Options, ports and paths that they name are those of the command."""
    from runtime.serve import parse

    text = (ROOT / "Dockerfile").read_text() + "".join(path.read_text() for path in sorted(FOLDER.iterdir()))
    for document in [*documents("deployment.yaml")[:1], *documents("inferenceservice.yaml")]:
        spec = document["spec"]
        containers = (
            spec["template"]["spec"]["containers"] if "template" in spec else spec["predictor"]["containers"]
        )
        options = parse(containers[0]["args"])
        assert {port["containerPort"] for port in containers[0]["ports"]} <= {
            options.http_port,
            options.grpc_port,
        }
        assert options.models == Path(containers[0]["args"][0])
    assert "/v2/health/ready" in text
    assert "yolov5_dnn_queue" in (ROOT / "runtime" / "service" / "metrics.py").read_text()
