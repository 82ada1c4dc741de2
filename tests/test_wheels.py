"""What is in the wheels, looked at in wheels that were built here: nothing of the bench reaches a node."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# The one module of the node that may name a private key: the node's own, which signs its audit.
IDENTITY = "appliance/identity.py"
_PRIVATE = {
    "Ed25519PrivateKey", "Ed448PrivateKey", "EllipticCurvePrivateKey", "RSAPrivateKey", "DSAPrivateKey",
    "X25519PrivateKey", "X448PrivateKey", "PrivateKeyTypes", "PrivateFormat", "NoEncryption", "BestAvailableEncryption",
    "load_pem_private_key", "load_der_private_key", "load_ssh_private_key", "generate_private_key",
    "Signer", "CryptoSigner", "HSMSigner", "GPGSigner",
}  # fmt: skip


def built(project: Path, out: Path) -> zipfile.Path:
    command = [sys.executable, "-c", f"from setuptools import build_meta; build_meta.build_wheel({str(out)!r})"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = out.glob("*.whl")
    return zipfile.Path(wheel)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a wheel is built from, the bench beside it: building leaves traces in the tree."""
    where = tmp_path_factory.mktemp("tree")
    for name in ("appliance", "signing"):
        shutil.copytree(ROOT / name, where / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "build"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, where)
    return where


@pytest.fixture(scope="module")
def node(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> zipfile.Path:
    return built(tree, tmp_path_factory.mktemp("node"))


def modules(wheel: zipfile.Path) -> dict[str, str]:
    with zipfile.ZipFile(str(wheel.root.filename)) as archive:
        return {name: archive.read(name).decode("utf-8") for name in archive.namelist() if name.endswith(".py")}


def names_in(source: str) -> set[str]:
    """Every name that a module speaks, in whatever way."""
    found: set[str] = set()
    for each in ast.walk(ast.parse(source)):
        if isinstance(each, ast.Name):
            found.add(each.id)
        elif isinstance(each, ast.Attribute):
            found.add(each.attr)
        elif isinstance(each, ast.alias):
            found |= set(each.name.split(".")) | ({each.asname} if each.asname else set())
        elif isinstance(each, ast.ImportFrom) and each.module:
            found |= set(each.module.split("."))
        elif isinstance(each, ast.Constant) and isinstance(each.value, str):
            found.add(each.value)
    return found


def test_the_nodes_wheel_holds_no_module_of_the_bench(node: zipfile.Path) -> None:
    found = modules(node)
    assert "appliance/bundle/manifest.py" in found
    assert {name.split("/")[0] for name in found} == {"appliance"}
    assert not [
        name for name, source in found.items() if "signing" in {word.split(".")[0] for word in names_in(source)}
    ]
    (entries,) = [path for path in node.iterdir() if path.name.endswith(".dist-info")]
    assert (entries / "entry_points.txt").read_text().split() == [
        "[console_scripts]",
        "weir",
        "=",
        "appliance.cli.main:main",
    ]


def test_the_nodes_wheel_names_a_private_key_in_one_module_only(node: zipfile.Path) -> None:
    found = {name for name, source in modules(node).items() if names_in(source) & _PRIVATE}
    assert found == {IDENTITY}


def test_the_benchs_wheel_holds_the_bench_alone(tree: Path, tmp_path: Path) -> None:
    wheel = built(tree / "signing", tmp_path)
    found = modules(wheel)
    assert {name.split("/")[0] for name in found} == {"signing"}
    assert {f"signing/{path.relative_to(tree / 'signing').as_posix()}" for path in (tree / "signing").rglob("*.py")
            if "build" not in path.parts} == set(found)  # fmt: skip


def test_the_bench_and_the_node_have_one_version() -> None:
    import appliance
    import signing

    assert signing.__version__ == appliance.__version__
