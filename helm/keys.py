#!/usr/bin/env python3
"""Every key of the service's configuration can be set by the chart: `keys.py SCHEMA RENDERED...`.

SCHEMA is what `portcullis config schema` prints, RENDERED what the chart makes of `values/*.yaml`: a key that none of them sets is one that
the chart cannot set, or that nobody tests. Lists of words that both schemas hold must be the same.
"""

import json
import re
import sys
from pathlib import Path

# The policy goes through the log (Job `-policy`); the other is written by `--role all` alone. One format so far. A mapping of a custom format
# and a receiver's token are files that `extraVolumes` bring, which are not there when the rendered configuration is validated; nor are a
# registry's authorities, and its password is a file. Lists are seen by their name alone.
NOT_OURS = {
    "policy.file", "output.format", "ingest.inputs.mapping", "output.set.receivers.token_file", "schema_registry.password",
    "schema_registry.ca_file",
}


def keys_of_schema(node, path=""):
    if node.get("type") == "array":
        yield from keys_of_schema(node["items"], path)
    elif "properties" in node:
        for name, inner in node["properties"].items():
            yield from keys_of_schema(inner, f"{path}.{name}".lstrip("."))
    elif path:
        yield path


def keys_of_yaml(text):
    path = []
    for line in text.splitlines():
        if match := re.match(r"^((?:  )*(?:- )?)([\w.]+):", line):
            path = [(indent, key) for indent, key in path if indent < len(match[1])] + [(len(match[1]), match[2])]
            yield ".".join(key for _, key in path)


def main():
    engine = json.loads(Path(sys.argv[1]).read_text())
    wanted = set(keys_of_schema(engine)) - NOT_OURS
    found = {key for file in sys.argv[2:] for key in keys_of_yaml(Path(file).read_text())}
    faults = [f"no values/*.yaml sets {key} of portcullis.yaml: add it to the chart" for key in sorted(wanted - found)]

    chart = json.loads((Path(__file__).parent / "portcullis/values.schema.json").read_text())
    definitions, engine_kafka = chart["definitions"], engine["properties"]["kafka"]["properties"]
    engine_input = engine["properties"]["ingest"]["properties"]["inputs"]["items"]["properties"]
    for what, ours, theirs in [
        ("input formats", definitions["input"]["properties"]["format"]["enum"], engine_input["format"]["enum"]),
        ("input encodings", definitions["input"]["properties"]["encoding"]["enum"], engine_input["encoding"]["enum"]),
        ("trust", definitions["input"]["properties"]["trust"]["enum"], engine_input["trust"]["enum"]),
        ("properties that are the engine's own", definitions["property"]["not"]["enum"], engine_kafka["properties"]["propertyNames"]["not"]["enum"]),
        ("encodings", chart["properties"]["output"]["properties"]["encoding"]["enum"], engine["properties"]["output"]["properties"]["encoding"]["enum"]),
    ]:
        if sorted(ours) != sorted(theirs):
            faults.append(f"values.schema.json: {what} are {ours}, the binary's are {theirs}")
    if faults:
        sys.exit("\n".join(faults))


main()
