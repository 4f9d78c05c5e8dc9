#!/usr/bin/env python3
"""What a kubelet would do before containers start, from objects as JSON on standard input: those of a release and what is there besides.

Without arguments it says which Secret, ConfigMap, claim or key a pod names that is not there. `cluster-mounts.py StatefulSet/NAME FOLDER`
writes the files that the first container of that object's pods would see, below FOLDER.
"""

import base64
import json
import sys
from pathlib import Path


def objects(text):
    """Of one or several JSON texts, lists taken apart."""
    decoder, at = json.JSONDecoder(), 0
    while at < len(text):
        found, at = decoder.raw_decode(text, at)
        yield from found["items"] if found["kind"] == "List" else [found]
        at += len(text[at:]) - len(text[at:].lstrip())


def entries(there, kind, name):
    """Key to bytes of a ConfigMap or Secret; None if it is not there."""
    found = there.get((kind, name))
    if found is None:
        return None
    plain = {**found.get("stringData", {}), **(found.get("data") or {} if kind == "ConfigMap" else {})}
    secret = found.get("data") or {} if kind == "Secret" else {}
    return {k: v.encode() for k, v in plain.items()} | {k: base64.b64decode(v) for k, v in secret.items()}


def source(volume):
    """(kind, name) of what a volume is made of, if that is an object."""
    match volume:
        case {"configMap": {"name": name}}:
            return "ConfigMap", name
        case {"secret": {"secretName": name}}:
            return "Secret", name
        case {"persistentVolumeClaim": {"claimName": name}}:
            return "PersistentVolumeClaim", name
    return None


def missing(owner, pod, there, templates):
    volumes = {v["name"]: v for v in pod["volumes"]}
    wanted = [source(v) for v in volumes.values()]
    for container in pod["containers"] + pod.get("initContainers", []):
        for origin in container.get("envFrom", []):
            wanted += [("ConfigMap", origin["configMapRef"]["name"])] if "configMapRef" in origin else []
            wanted += [("Secret", origin["secretRef"]["name"])] if "secretRef" in origin else []
        for mount in container.get("volumeMounts", []):
            if mount["name"] not in volumes and mount["name"] not in templates:
                yield f"{owner} mounts {mount['name']}, which is no volume of it"
    for kind, name in filter(None, wanted):
        if (kind, name) not in there:
            yield f"{owner} needs the {kind} {name}, which is not there"


def write(pod, there, folder):
    volumes = {v["name"]: v for v in pod["volumes"]}
    for mount in pod["containers"][0]["volumeMounts"]:
        place = folder / mount["mountPath"].lstrip("/")
        place.mkdir(parents=True, exist_ok=True)
        kind, name = source(volumes.get(mount["name"], {})) or (None, None)
        if kind in ("ConfigMap", "Secret"):
            for key, value in entries(there, kind, name).items():
                (place / key).write_bytes(value)


def main():
    found = list(objects(sys.stdin.read()))
    there = {(o["kind"], o["metadata"]["name"]): o for o in found}
    pods = {}
    for (kind, name), o in there.items():
        pod = o["spec"] if kind == "Pod" else o.get("spec", {}).get("template", {}).get("spec")
        if pod:
            pods[f"{kind}/{name}"] = pod, {t["metadata"]["name"] for t in o["spec"].get("volumeClaimTemplates", [])}
    if len(sys.argv) == 3:
        write(pods[sys.argv[1]][0], there, Path(sys.argv[2]))
        return
    assert pods, "no object has pods"
    faults = [fault for owner, (pod, templates) in pods.items() for fault in missing(owner, pod, there, templates)]
    if faults:
        sys.exit("\n".join(faults))


main()
