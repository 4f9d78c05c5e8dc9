#!/usr/bin/env python3
"""What alerts, dashboard, runbook and tests name is there: metrics and labels in telemetry.rs, a section and a test for each alert.

A metric that was renamed would not fail anything: its alert would keep silent for ever.
"""

import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
# Labels that Prometheus or Kubernetes adds.
OUTER_LABELS = {"namespace", "pod"}

faults = []


def metrics():
    """Name -> labels of every metric, histograms by the names of their series."""
    source = (ROOT / "engine/daemon/src/telemetry.rs").read_text()
    found = {}
    for name, kind, labels in re.findall(r'meter\(\s*"(\w+)",\s*Kind::(\w+),\s*&\[([^\]]*)\]', source):
        labels = set(re.findall(r'"(\w+)"', labels)) | OUTER_LABELS
        if kind == "Histogram":
            found |= {name + "_bucket": labels | {"le"}, name + "_sum": labels, name + "_count": labels}
        else:
            found[name] = labels
    assert found, "telemetry.rs declares its metrics otherwise than this script reads them"
    return found


def check_expression(where, expression, known):
    used = re.findall(r"(portcullis_\w+)(?:\{([^}]*)\})?", expression)
    if not used:
        faults.append(f"{where}: names no metric")
    allowed = set()
    for name, matchers in used:
        if name not in known:
            faults.append(f"{where}: {name} is not in engine/daemon/src/telemetry.rs")
            continue
        allowed |= known[name]
        for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers):
            if label not in known[name]:
                faults.append(f"{where}: {name} has no label {label}")
    for group in re.findall(r"\bby \(([^)]*)\)", expression):
        for label in re.findall(r"\w+", group):
            if label not in allowed:
                faults.append(f"{where}: groups by {label}, which no metric in it has")


def check_alerts(known):
    text = (HERE / "portcullis/files/alerts.yaml").read_text()
    runbook = (ROOT / "docs/runbook.md").read_text()
    tests = (HERE / "alerts_test.yaml").read_text()
    alerts = {}
    for block in re.split(r"(?m)^      - alert: ", text)[1:]:
        name = block.split()[0]
        alerts[name] = block
        expression = re.search(r"(?m)^        expr: ?\|?\n?((?:.|\n)*?)(?=^        (?:for|labels):)", block)
        check_expression(name, expression[1] if expression else "", known)
        if f"runbook_url: docs/runbook.md#{name.lower()}\n" not in block:
            faults.append(f"{name}: its runbook_url is not docs/runbook.md#{name.lower()}")
        if not re.search(r"severity: (critical|warning|info)\b", block):
            faults.append(f"{name}: no severity")
        for samples, what in (("exp_samples: []", "keeps silent"), ("exp_samples: [{", "fires")):
            part = re.search(rf'(?s)- name: "{name}: .*?(?=\n  - name: |\Z)', tests)
            if not part or samples not in part[0]:
                faults.append(f"{name}: no test in helm/alerts_test.yaml says when it {what}")
    sections = re.findall(r"(?m)^## (\w+)$", runbook)
    faults.extend(f"{name}: no section in docs/runbook.md" for name in alerts if name not in sections)
    faults.extend(f"docs/runbook.md: the section {name} is of no alert" for name in sections if name not in alerts)
    headings = {anchor(title) for title in re.findall(r"(?m)^#+ (.+)$", runbook)}
    for page, target in re.findall(r"\]\(([\w./-]*)#([\w-]+)\)", runbook):
        there = headings if not page else {anchor(t) for t in re.findall(r"(?m)^#+ (.+)$", (ROOT / "docs" / page).read_text())}
        if target not in there:
            faults.append(f"docs/runbook.md: {page}#{target} leads nowhere")
    assert alerts, "alerts.yaml is written otherwise than this script reads it"


def anchor(title):
    """As GitHub makes it."""
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


def check_dashboard(known):
    """Writes its expressions as recording rules to the first argument, for promtool."""
    panels = json.loads((HERE / "portcullis/files/dashboard.json").read_text())["panels"]
    expressions = [(f"dashboard: {p['title']}", t["expr"]) for p in panels for t in p.get("targets", [])]
    for where, expression in expressions:
        check_expression(where, expression, known)
    if len(sys.argv) > 1:
        plain = [e.replace("$__rate_interval", "5m").replace("$namespace", ".*") for _, e in expressions]
        rules = [{"record": f"panel:{i}", "expr": e} for i, e in enumerate(plain)]
        Path(sys.argv[1]).write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))


known = metrics()
check_alerts(known)
check_dashboard(known)
if faults:
    sys.exit("\n".join(faults))
