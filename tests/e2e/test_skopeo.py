"""Strangers use the registry that the wizard made: skopeo logs in, pushes and pulls 30 MiB by its name."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.program import ANSWERS, Program

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not on PATH"),
    pytest.mark.skipif(
        shutil.which("docker-registry") is None and shutil.which("registry") is None,
        reason="no registry binary is on PATH",
    ),
]
NAME = "registry.practice.test/team/big:v1"
PASSWORD = "skopeo-canary-9"
SIZE = 30 * 1024 * 1024


def _image(directory: Path) -> None:
    """An OCI layout with one layer of random bytes."""
    import gzip
    import hashlib
    import io
    import tarfile

    blobs = directory / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(data: bytes) -> dict[str, object]:
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"digest": f"sha256:{digest}", "size": len(data)}

    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        entry = tarfile.TarInfo("random")
        entry.size = SIZE
        tar.addfile(entry, io.BytesIO(os.urandom(SIZE)))
    layer = put(gzip.compress(raw.getvalue(), 1))
    diff = hashlib.sha256(raw.getvalue()).hexdigest()
    config = put(
        json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "config": {},
                "rootfs": {"type": "layers", "diff_ids": [f"sha256:{diff}"]},
            }
        ).encode()
    )
    oci = "application/vnd.oci.image"
    manifest = put(
        json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": f"{oci}.manifest.v1+json",
                "config": {"mediaType": f"{oci}.config.v1+json", **config},
                "layers": [{"mediaType": f"{oci}.layer.v1.tar+gzip", **layer}],
            }
        ).encode()
    )
    index = {
        "schemaVersion": 2,
        "manifests": [
            {
                "mediaType": f"{oci}.manifest.v1+json",
                **manifest,
                "annotations": {"org.opencontainers.image.ref.name": "v1"},
            }
        ],
    }
    (directory / "index.json").write_text(json.dumps(index))
    (directory / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


def test_skopeo_logs_in_pushes_and_pulls(program: Program, tmp_path: Path) -> None:
    answers = tmp_path / "answers.toml"
    answers.write_text(ANSWERS.read_text().replace("users = []", 'users = ["alice"]'))
    applied = program.run(
        "apply",
        "--practice",
        "-a",
        str(answers),
        "--json",
        environment={"KUBE_REGISTRY_PASSWORD_ALICE": PASSWORD},
    )
    assert applied.code == 0, applied.out[-2000:]
    world = program.world_environment()
    certificates = tmp_path / "certs"
    certificates.mkdir()
    shutil.copy(world["KUBE_REGISTRY_CA_FILE"], certificates / "ca.crt")
    environment = {**program.environment, **world, "REGISTRY_AUTH_FILE": str(tmp_path / "auth.json")}

    def skopeo(*arguments: str, stdin: str = "") -> str:
        done = subprocess.run(
            ["skopeo", *arguments],
            env=environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    image, back = tmp_path / "image", tmp_path / "back"
    _image(image)
    trust = ["--cert-dir", str(certificates)]
    skopeo("login", *trust, "-u", "alice", "--password-stdin", "registry.practice.test", stdin=PASSWORD)
    policy = ["--insecure-policy"]
    skopeo(*policy, "copy", "--dest-cert-dir", str(certificates), f"oci:{image}:v1", f"docker://{NAME}")
    skopeo(*policy, "copy", "--src-cert-dir", str(certificates), f"docker://{NAME}", f"oci:{back}:v1")
    sent = {path.name for path in (image / "blobs" / "sha256").iterdir()}
    assert {path.name for path in (back / "blobs" / "sha256").iterdir()} == sent
    keys = json.dumps(program.dump()["aws"])
    for digest in sent:
        assert f"docker/registry/v2/blobs/sha256/{digest[:2]}/{digest}/data" in keys
    kept = program.run("undo", "--practice", "--yes", "--json")
    assert kept.code == 1, "a bucket with images stays without its own consent"
    assert "--delete-bucket practice-registry-images" in json.dumps(kept.finish)
    gone = program.run("undo", "--practice", "--yes", "--delete-bucket", "practice-registry-images", "--json")
    assert gone.code == 0, gone.out[-2000:]
    assert "practice-registry-images" not in json.dumps(program.dump())
