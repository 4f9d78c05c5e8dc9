#!/usr/bin/env python3
"""A responder: takes verified containment requests off the output topic, acts on each once, reports what became of it.

    pip install confluent-kafka 'pyjwt[crypto]'
    portcullis gate jwks --key gate.key > jwks.json
    ./responder.py BOOTSTRAP TOPIC REPORTS jwks.json [--once] [--key soar.key --kid KID]

TOPIC is `<prefix>.verdicts`, REPORTS an input of Portcullis with `trust: control`; or any of its inputs, where outcomes are signed with
`--key` (`portcullis contain keygen --name soar --out soar.key` makes it, and prints the line with its KID for `responders` of the policy).
Fill in `act`.
"""
import argparse
import json
import sys
import time

import jwt
from confluent_kafka import Consumer, Producer

ISSUER, AUDIENCE = "portcullis", "portcullis-executor"  # gate.issuer, gate.audience


def act(request):
    """Carries a request out. Returns a status of `containment.outcome` and a sentence."""
    print(request["action"], request["target"]["kind"], request["target"]["id"], "-", request["reason"], flush=True)
    for sibling in request.get("siblings", []):  # ends with the target; another key (`credential`) is only to be looked at
        print("  and", sibling["kind"], sibling["id"], "at", sibling.get("provider"), flush=True)
    return "unsupported", "this example only prints"


def verified(record, keys):
    """The payload of the signature: never the fields beside it. Raises where it is not believed, or too old."""
    jws = record["jws"]
    header = jwt.get_unverified_header(jws)
    if header.get("typ") != "secevent+jwt" or header.get("kid") not in keys:
        raise ValueError(f"signed as {header.get('typ')} by {header.get('kid')}")
    required = ["exp", "iat", "jti", "iss", "aud"]
    key = keys[header["kid"]]  # the algorithm is the key's (EdDSA or RS256), never the header's to choose
    return jwt.decode(
        jws, key.key, algorithms=[key.algorithm_name], issuer=ISSUER, audience=AUDIENCE, options={"require": required}
    )  # `exp` is `not_after`: later it must not be carried out


def outcome(request, status, detail):
    return {
        "id": f"outcome-{request['id']}-{status}",
        "time": int(time.time() * 1000),
        "type": "containment.outcome",
        "tenant": request["tenant"],
        "containment": {
            "request_id": request["id"],
            "status": status,
            "by": "responder.py",
            "detail": detail,
            "subject": request["subject"],
            "action": request["action"],
            "target": {"kind": request["target"]["kind"], "id": request["target"]["id"]},
        },
    }


def sign(outcome, key, kid):
    """Signs an outcome: with it, it is believed whatever input it comes by. What is signed is what stands beside the signature."""
    claims = {"jti": outcome["id"], "iat": outcome["time"] // 1000, "tenant": outcome["tenant"], "containment": outcome["containment"]}
    jws = jwt.encode(claims, key, algorithm="EdDSA", headers={"typ": "portcullis-outcome+jwt", "kid": kid})
    return {**outcome, "containment": {**outcome["containment"], "jws": jws}}


def main(bootstrap, topic, reports, jwks, once=False, key=None, kid=None):
    keys = {key["kid"]: jwt.PyJWK(key) for key in json.load(open(jwks))["keys"]}
    pem = open(key).read() if key else None
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "responder",
            "isolation.level": "read_committed",  # what was aborted was never asked
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True})
    consumer.subscribe([topic])
    done, quiet = set(), time.time()  # keep `done` on disk: a repeat has the same id
    while not once or time.time() - quiet < 10:
        message = consumer.poll(1.0)
        if message is None or message.error():
            continue
        quiet = time.time()
        if dict(message.headers() or []).get("type") == b"containment-request":
            try:
                request = verified(json.loads(message.value()), keys)
            except Exception as why:
                print("refused:", why, file=sys.stderr, flush=True)
            else:
                if request["id"] not in done:
                    done.add(request["id"])
                    status, detail = act(request)
                    report = outcome(request, status, detail)
                    producer.produce(reports, json.dumps(sign(report, pem, kid) if pem else report))
                    producer.flush()
        consumer.commit(message)  # after the report: a crash in between repeats the request, and `done` knows it
    consumer.close()


if __name__ == "__main__":
    args = argparse.ArgumentParser(description="Acts on containment requests, and reports.")
    for name in ["bootstrap", "topic", "reports", "jwks"]:
        args.add_argument(name)
    args.add_argument("--once", action="store_true", help="end when nothing has come for ten seconds")
    args.add_argument("--key", help="what outcomes are signed with, PKCS #8 PEM")
    args.add_argument("--kid", help="its name in the policy")
    main(**vars(args.parse_args()))
