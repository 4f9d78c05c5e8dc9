#!/usr/bin/env python3
"""README.md of the chart: README.in.md with the table of values.yaml in it. `--check` says whether it is fresh.

A value is documented by the lines before it that begin with `# --`. One without is a section, or is missing its line, which is an error.
"""

import re
import sys
from pathlib import Path

CHART = Path(__file__).parent / "portcullis"


def rows(lines):
    """(path, default, description) of each documented value."""
    path, about, whole = [], [], None
    for number, line in enumerate(lines, 1):
        text = line.strip()
        # A value that is told whole has its default in the lines below it, not values of their own.
        if whole is not None and text and len(line) - len(line.lstrip()) > whole:
            continue
        whole = None if text else whole
        if text.startswith("# -- "):
            about = [text[5:]]
        elif text.startswith("# ") and about:
            about.append(text[2:])
        elif match := re.match(r"^( *)([A-Za-z]+):(?: (.*))?$", line):
            indent, key, default = len(match[1]), match[2], match[3]
            path = [(i, k) for i, k in path if i < indent] + [(indent, key)]
            name = ".".join(k for _, k in path)
            if about:
                whole = indent if default is None else None
                yield name, default if default is not None else block(lines[number:], indent), " ".join(about)
            elif default is not None:
                sys.exit(f"values.yaml:{number}: {name} has no line that begins with `# --`")
            about = []
        elif not text:
            about = []


def block(following, indent):
    """The lines of a value that does not fit behind its key, as one."""
    inner = []
    for line in following:
        if line.strip() and len(line) - len(line.lstrip()) <= indent:
            break
        if line.strip():
            inner.append(line.strip())
    inner = [item.replace(" #", "") for item in inner]
    is_list = inner and inner[0].startswith("- ")
    return "[" + ", ".join("{ " + i[2:] + " }" for i in inner) + "]" if is_list else "{ " + ", ".join(inner) + " }"


def main():
    found = list(rows((CHART / "values.yaml").read_text().splitlines()))
    table = ["| value | default | |", "|---|---|---|"]
    table += [f"| `{name}` | `{default}` | {about.replace('|', chr(92) + '|')} |" for name, default, about in found]
    page = (CHART / "README.in.md").read_text().replace("{{ values }}", "\n".join(table))
    readme = CHART / "README.md"
    if sys.argv[1:] == ["--check"]:
        if not readme.exists() or readme.read_text() != page:
            sys.exit("helm/portcullis/README.md is stale: run `make helm-readme`")
    else:
        readme.write_text(page)


main()
