"""Judges outputs with libraries that know nothing of Portcullis: OCSF by its published schema, SETs by a JOSE library.

  validate_outputs.py ocsf                          one event a line; says what is wrong, and how many of each class there were
  validate_outputs.py set JWKS ISSUER AUDIENCE      one compact JWS a line; prints the claims of each
"""

import json
import sys
from collections import Counter


def ocsf():
    from jsonschema import Draft202012Validator
    from ocsf_json_schema import OcsfJsonSchema, get_ocsf_schema
    from referencing import Registry, Resource

    schema = get_ocsf_schema(version="1.8.0")
    schemas = OcsfJsonSchema(schema)
    registry = Registry(retrieve=lambda uri: Resource.from_contents(schemas.get_schema_from_uri(uri)))
    validators, seen, wrong = {}, Counter(), []

    def captions(attributes, value, at):
        """An enumeration and its sibling say the same; the schema's JSON form does not check it."""
        for name, found in value.items() if isinstance(value, dict) else ():
            attribute = attributes.get(name, {})
            if attribute.get("sibling") in value and str(found) != "99":
                caption = attribute["enum"][str(found)]["caption"]
                if value[attribute["sibling"]] != caption:
                    yield f"{at}{name}: {found} is {caption}, not {value[attribute['sibling']]}"
            elif attribute.get("enum") and attribute.get("sibling") and attribute["sibling"] not in value:
                yield f"{at}{name}: without {attribute['sibling']}"
            inner = schema["objects"].get(attribute.get("object_type"), {}).get("attributes", {})
            for part in found if isinstance(found, list) else [found]:
                yield from captions(inner, part, f"{at}{name}.")

    for number, line in enumerate(sys.stdin, 1):
        event = json.loads(line)
        name = schemas.lookup_class_name_from_uid(event["class_uid"])
        kind = (name, tuple(event["metadata"].get("profiles", ())))
        if kind not in validators:
            validators[kind] = Draft202012Validator(schemas.get_class_schema(name, list(kind[1])), registry=registry)
        seen[f"{event['type_uid']} {event['type_name']}"] += 1
        faults = [f"{error.json_path}: {error.message}" for error in validators[kind].iter_errors(event)]
        faults += captions(schema["classes"][name]["attributes"], event, "")
        if event["type_uid"] != event["class_uid"] * 100 + event["activity_id"]:
            faults.append("type_uid is not class_uid * 100 + activity_id")
        wrong += [f"line {number}, {name}: {fault}" for fault in faults]
    print(json.dumps(seen, sort_keys=True))
    if wrong:
        sys.exit(f"{len(wrong)} faults\n" + "\n".join(wrong[:20]))


def sets(jwks, issuer, audience):
    import jwt

    keys = {key.key_id: key for key in jwt.PyJWKSet.from_dict(json.load(open(jwks))).keys}
    for line in sys.stdin:
        token = line.strip()
        header = jwt.get_unverified_header(token)
        if header["typ"] != "secevent+jwt":
            sys.exit(f"typ is {header['typ']}")
        key = keys[header["kid"]]
        required = {"require": ["iss", "aud", "jti", "iat"]}
        print(json.dumps(jwt.decode(token, key, algorithms=["EdDSA", "RS256"], issuer=issuer, audience=audience, options=required)))


if __name__ == "__main__":
    ocsf() if sys.argv[1] == "ocsf" else sets(*sys.argv[2:])
