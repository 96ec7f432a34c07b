#!/usr/bin/env python3
"""sbom.py: prints what the program is made of, as CycloneDX 1.5: the crates that are linked in, and the packages that the
dashboard is built from. Reads Cargo.lock and webui/package-lock.json; nothing is fetched that a build would not fetch."""

import base64
import json
import re
import subprocess
from pathlib import Path
from urllib.parse import quote

ROOT = Path(__file__).resolve().parent.parent


def licences(text):
    # Some crates still write MIT/Apache-2.0.
    return [{"expression": text.replace("/", " OR ")}] if text else []


def component(kind, name, version, purl, licence, digest):
    found = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
    if licences(licence):
        found["licenses"] = licences(licence)
    if digest:
        found["hashes"] = [{"alg": digest[0], "content": digest[1]}]
    found["properties"] = [{"name": "llm-manager:part", "value": kind}]
    return found


def crates():
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", "x86_64-unknown-linux-gnu"]
    metadata = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
    lock = (ROOT / "Cargo.lock").read_text()
    sums = {
        (name, version): digest
        for name, version, digest in re.findall(r'name = "(.+)"\nversion = "(.+)"\nsource = ".+"\nchecksum = "(.+)"', lock)
    }
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    own = next(package for package in metadata["packages"] if package["name"] == "llm-manager")
    linked, open_ids = set(), [own["id"]]
    while open_ids:
        one = open_ids.pop()
        if one in linked:
            continue
        linked.add(one)
        for dependency in nodes[one]["deps"]:
            # Dependencies of tests are not in the program; those of builds make it.
            if any(kind["kind"] != "dev" for kind in dependency["dep_kinds"]):
                open_ids.append(dependency["pkg"])
    for package in sorted((packages[one] for one in linked), key=lambda one: (one["name"], one["version"])):
        if package["source"]:
            name, version = package["name"], package["version"]
            digest = sums.get((name, version))
            yield component("program", name, version, f"pkg:cargo/{name}@{version}", package["license"], digest and ("SHA-256", digest))


def modules():
    lock = json.loads((ROOT / "webui/package-lock.json").read_text())
    for path, package in sorted(lock["packages"].items()):
        # Tools of development are not in what is served.
        if not path or package.get("dev") or package.get("link"):
            continue
        name, version = path.rsplit("node_modules/", 1)[1], package["version"]
        algorithm, _, digest = package.get("integrity", "").partition("-")
        known = {"sha512": "SHA-512", "sha256": "SHA-256", "sha1": "SHA-1"}.get(algorithm)
        digest = known and (known, base64.b64decode(digest).hex())
        yield component("dashboard", name, version, f"pkg:npm/{quote(name)}@{version}", package.get("license"), digest)


def main():
    version = re.search(r'^version = "(.+)"', (ROOT / "Cargo.toml").read_text(), re.M)[1]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": "llm-manager",
                "name": "llm-manager",
                "version": version,
                "licenses": licences("MIT OR Apache-2.0"),
            }
        },
        "components": [*crates(), *modules()],
    }
    print(json.dumps(document, indent=1, ensure_ascii=False))


main()
