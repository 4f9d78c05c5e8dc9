#!/usr/bin/env python3
"""Writes the strict schemas of the kinds that the chart makes: `helm/schemas/generate.py`. Needs Go, which fetches their sources.

From the API description in the Go module of Kubernetes and the CRDs in that of the Prometheus operator. Strict: an unknown field is an
error. Each file holds what its kind refers to and no descriptions, so that it stays small enough to be kept here.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

KUBERNETES = "k8s.io/kubernetes@v1.37.2"
OPERATOR = "github.com/prometheus-operator/prometheus-operator@v0.85.0"
KINDS = [
    ("apps", "StatefulSet"), ("batch", "Job"), ("networking.k8s.io", "NetworkPolicy"), ("policy", "PodDisruptionBudget"),
    ("", "ConfigMap"), ("", "Pod"), ("", "Secret"), ("", "Service"), ("", "ServiceAccount"),
]  # fmt: skip
CRDS = ["podmonitors", "prometheusrules", "servicemonitors"]
# Written as text or as a number; the description says text.
EITHER = {"io.k8s.apimachinery.pkg.util.intstr.IntOrString", "io.k8s.apimachinery.pkg.api.resource.Quantity"}


def module(version):
    """Folder of a Go module, fetched if need be."""
    env = {**os.environ, "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local"}
    said = subprocess.run(["go", "mod", "download", "-json", version], env=env, capture_output=True, text=True, check=False)
    if said.returncode:
        sys.exit(f"{version} cannot be fetched: {said.stdout}{said.stderr}")
    return Path(json.loads(said.stdout)["Dir"])


def strict(node):
    """The same without descriptions and vendor keys, and with objects that are closed."""
    if isinstance(node, list):
        return [strict(item) for item in node]
    if not isinstance(node, dict):
        return node
    if node.get("x-kubernetes-int-or-string") or node.get("format") == "int-or-string":
        return {"type": ["string", "integer"]}
    is_open = node.get("x-kubernetes-preserve-unknown-fields")
    node = {k: v for k, v in node.items() if not k.startswith("x-kubernetes") and not (k == "description" and isinstance(v, str))}
    node = {k: {n: strict(s) for n, s in v.items()} if k == "properties" else strict(v) for k, v in node.items()}
    if isinstance(node.get("properties"), dict) and "additionalProperties" not in node and not is_open:
        node["additionalProperties"] = False
    return node


def references(node):
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"].removeprefix("#/definitions/")
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def reached(name, definitions):
    found, ahead = set(), [name]
    while ahead:
        new = set(references(definitions[ahead.pop()])) - found
        found |= new
        ahead += new
    return found


def write(kind, group, version, schema):
    api_version = f"{group}/{version}" if group else version
    schema["properties"] |= {"apiVersion": {"enum": [api_version]}, "kind": {"enum": [kind]}}
    schema["required"] = sorted({*schema.get("required", []), "apiVersion", "kind", "metadata"})
    name = "-".join(part for part in (kind.lower(), group.split(".")[0], version) if part)
    (Path(__file__).parent / f"{name}.json").write_text(json.dumps(schema, separators=(",", ":"), sort_keys=True) + "\n")


def main():
    described = json.loads((module(KUBERNETES) / "api/openapi-spec/swagger.json").read_text())["definitions"]
    definitions = {name: strict(node) for name, node in described.items()}
    definitions |= {name: {"type": ["string", "number"]} for name in EITHER}
    for group, kind in KINDS:
        is_it = {"group": group, "kind": kind, "version": "v1"}
        name = next(n for n, d in described.items() if is_it in d.get("x-kubernetes-group-version-kind", []))
        inner = {n: definitions[n] for n in reached(name, definitions)}
        write(kind, group, "v1", {**definitions[name], "properties": dict(definitions[name]["properties"]), "definitions": inner})
    meta = next(n for n in described if n.endswith("meta.v1.ObjectMeta"))
    for crd in CRDS:
        spec = json.loads((module(OPERATOR) / f"jsonnet/prometheus-operator/{crd}-crd.json").read_text())["spec"]
        schema = strict(spec["versions"][0]["schema"]["openAPIV3Schema"])
        schema["properties"]["metadata"] = {"$ref": f"#/definitions/{meta}"}
        schema["definitions"] = {n: definitions[n] for n in {meta, *reached(meta, definitions)}}
        write(spec["names"]["kind"], spec["group"], spec["versions"][0]["name"], schema)


main()
