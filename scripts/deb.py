#!/usr/bin/env python3
"""deb.py OUTPUT_FOLDER: packs the .deb that [package.metadata.deb] of Cargo.toml describes, as `cargo deb --no-build` does,
with dpkg-deb alone. `scripts/release.sh` builds what it packs."""

import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAINTAINER_SCRIPTS = ("preinst", "postinst", "prerm", "postrm")


def run(*words):
    return subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def libraries(program):
    """Packages of the libraries that a program needs, with the oldest glibc that has all symbols."""
    needs = run("readelf", "--wide", "--dynamic", program)
    needed = set(re.findall(r"\(NEEDED\).*\[(.+?)\]", needs))
    versions = re.findall(r"GLIBC_(\d+)\.(\d+)", run("readelf", "--wide", "--version-info", program))
    found = []
    if any(name.startswith("libc.so") for name in needed):
        major, minor = max((int(major), int(minor)) for major, minor in versions)
        found.append(f"libc6 (>= {major}.{minor})")
    if any(name.startswith("libgcc_s.so") for name in needed):
        found.append("libgcc-s1")
    known = ("libc.so", "libm.so", "libgcc_s.so", "ld-linux", "libpthread.so", "libdl.so", "librt.so")
    strangers = [name for name in needed if not name.startswith(known)]
    if strangers:
        sys.exit(f"deb.py: {program} needs {', '.join(strangers)}: add their packages to `libraries` in {__file__}")
    return ", ".join(found)


def stage(assets, folder):
    for source, target, mode in assets:
        files = sorted(glob.glob(str(ROOT / source)))
        if not files:
            sys.exit(f"deb.py: there is no {source}: run scripts/release.sh, which makes it")
        for file in files:
            place = folder / target / Path(file).name if target.endswith("/") else folder / target
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, place)
            if file.endswith(".1"):
                subprocess.run(["gzip", "-9n", place], check=True)
                place = place.with_name(place.name + ".gz")
            place.chmod(int(mode, 8))


def control(package, deb, folder):
    architecture = run("dpkg", "--print-architecture").strip()
    program = next(source for source, target, _ in deb["assets"] if target.startswith("usr/bin"))
    depends = deb["depends"].replace("$auto", libraries(program))
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) // 1024
    lines = [line.strip() for line in deb["extended-description"].strip().splitlines()]
    return architecture, (
        f"Package: {deb['name']}\nVersion: {package['version']}-1\nArchitecture: {architecture}\n"
        f"Maintainer: {deb['maintainer']}\nInstalled-Size: {size}\nDepends: {depends}\n"
        f"Section: {deb['section']}\nPriority: {deb['priority']}\nDescription: {package['description']}\n"
        + "".join(f" {line}\n" for line in lines)
    )


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    out = Path(sys.argv[1]).resolve()
    out.mkdir(parents=True, exist_ok=True)
    metadata = json.loads(run("cargo", "metadata", "--no-deps", "--format-version", "1"))
    package = next(one for one in metadata["packages"] if one["name"] == "llm-manager")
    deb = package["metadata"]["deb"]
    # Nobody but root owns what is packed, and the folders don't depend on the umask.
    os.umask(0o022)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "package"
        folder.mkdir(mode=0o755)
        stage(deb["assets"], folder)
        (folder / "DEBIAN").mkdir()
        for name in MAINTAINER_SCRIPTS:
            script = ROOT / deb["maintainer-scripts"] / name
            if script.exists():
                shutil.copy(script, folder / "DEBIAN" / name)
                (folder / "DEBIAN" / name).chmod(0o755)
        architecture, text = control(package, deb, folder)
        (folder / "DEBIAN/control").write_text(text)
        file = out / f"{deb['name']}_{package['version']}-1_{architecture}.deb"
        subprocess.run(["dpkg-deb", "--root-owner-group", "--build", folder, file], check=True, stdout=subprocess.DEVNULL)
    print(file)


main()
