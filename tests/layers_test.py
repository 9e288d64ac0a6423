"""Every include of src/ points the way the layer table of CONTRIBUTING.md allows.

usage: layers_test.py ROOT      exit status 0: all includes allowed; 1: each offending line is printed
"""

import pathlib
import re
import sys

# What a row allows beyond whole layers: single headers, and the app's "everything".
EVERYTHING = "everything"


def read_table(contributing: str) -> dict[str, set[str]]:
    """{layer: allowed layers or 'layer/header.hpp'} from the rows `| layer | holds | may include |`."""
    table = {}
    for row in re.findall(r"^\| `(\w+)` \|[^|]*\|([^|]*)\|$", contributing, re.M):
        layer, allowed = row
        table[layer] = set(re.findall(r"`([\w/.]+)`", allowed)) | {layer}
        if EVERYTHING in allowed:
            table[layer].add(EVERYTHING)
    return table


def offences(root: pathlib.Path) -> list[str]:
    table = read_table((root / "CONTRIBUTING.md").read_text())
    layers = sorted(path.name for path in (root / "src").iterdir() if path.is_dir())
    found = [f"src/{layer}: no row in CONTRIBUTING.md's layer table" for layer in layers if layer not in table]
    for layer in filter(table.get, layers):
        for source in sorted((root / "src" / layer).rglob("*")):
            if source.suffix not in {".hpp", ".cpp", ".cu", ".cuh", ".inl"}:
                continue
            for number, line in enumerate(source.read_text().splitlines(), 1):
                include = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
                if not include:
                    continue
                target = include.group(1)
                allowed = table[layer]
                if EVERYTHING in allowed or target.split("/")[0] in allowed or target in allowed:
                    continue
                found.append(f"{source.relative_to(root)}:{number}: {layer} may not include {target}")
    return found


if __name__ == "__main__":
    problems = offences(pathlib.Path(sys.argv[1]))
    print("\n".join(problems) or "all includes follow the layer table")
    sys.exit(1 if problems else 0)
