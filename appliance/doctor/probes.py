"""What doctor runs in a child process: anything that loads native code, or tries to break out (`escapes`).

Rules kept here:
1. A probe takes a mapping and returns one; `problem` in it means that the answer is no.
2. Nothing native is imported at module level: a probe loads what it asks about and no more.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import importlib.util
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from appliance.doctor.child import give_way
from appliance.doctor.escapes import ESCAPES

Probe = Callable[[Mapping[str, Any]], dict[str, Any]]
# Larger models are not loaded for a check: a header and a vocabulary must do.
WHOLE_BYTES = 512 << 20
FETCHERS = (
    "huggingface_hub",
    "transformers",
    "torch",
    "tensorflow",
    "litellm",
    "tldextract",
    "tiktoken",
    "openai",
)


def embedder(argument: Mapping[str, Any]) -> dict[str, Any]:
    """Loads the embedder, which proves itself against its golden vector, and times one text."""
    from appliance.features.embedder import Embedder, ModelInvalid

    try:
        model = Embedder(Path(str(argument["directory"])))
        start = time.perf_counter()
        model.embed("Where does this request go?")
    except ModelInvalid as error:
        return {"problem": str(error)}
    return {
        "device": model.device,
        "ms": (time.perf_counter() - start) * 1000,
        "dimensions": model.dimensions,
    }


def llama(_: Mapping[str, Any]) -> dict[str, Any]:
    """Loads llama.cpp and says what it was compiled for."""
    library = _llama_cpp()
    if library is None:
        return {"problem": "llama-cpp-python is not installed"}
    library.llama_backend_init()
    info = library.llama_print_system_info()
    return {"system_info": info.decode("utf-8", "replace"), "version": str(library.__version__)}


def gguf(argument: Mapping[str, Any]) -> dict[str, Any]:
    """Loads a GGUF file, whole where it is small."""
    path = Path(str(argument["path"]))
    with path.open("rb") as stream:
        head = stream.read(8)
    if head[:4] != b"GGUF" or int.from_bytes(head[4:], "little") not in (2, 3):
        return {"problem": "is not a GGUF file of version 2 or 3"}
    library = _llama_cpp()
    if library is None:
        return {"problem": "llama-cpp-python is not installed"}
    whole = path.stat().st_size <= WHOLE_BYTES
    start = time.perf_counter()
    library.llama_backend_init()
    settings = library.llama_model_default_params()
    settings.n_gpu_layers = 0
    settings.vocab_only = not whole
    with _stderr_closed():
        model = library.llama_model_load_from_file(os.fsencode(path), settings)
    if not model:
        return {"problem": "llama.cpp does not load it"}
    about = ctypes.create_string_buffer(256)
    library.llama_model_desc(model, about, len(about))
    words = about.value.decode("utf-8", "replace")
    return {"whole": whole, "about": words, "ms": (time.perf_counter() - start) * 1000}


def generation(argument: Mapping[str, Any]) -> dict[str, Any]:
    """Checks a generation: its denials hold, its models load, and its golden prompts are answered as they must be."""
    from appliance.bundle.health import check

    give_way()
    known = Path(str(argument["known"])) if argument.get("known") else None
    unconfined = bool(argument["unconfined"])
    found = check(Path(str(argument["folder"])), float(argument["now"]), known=known, unconfined=unconfined)
    told = {"loaded": found.loaded, "asked": found.asked, "unasked": list(found.unasked)}
    return told | ({"problem": "; ".join(found.problems)} if found.problems else {})


def servers(argument: Mapping[str, Any]) -> dict[str, Any]:
    """Asks golden prompts of servers: a folder in each line of standard input, what came of it in a line of output."""
    from appliance.doctor.asker import serve

    give_way()
    serve(Path(str(argument["state"])), Path(str(argument["config"])) if argument.get("config") else None)
    return {}


def medium(argument: Mapping[str, Any]) -> dict[str, Any]:
    """Examines a place where bundles may lie, with no right but to read it."""
    from datetime import timedelta

    from appliance.bundle.examine import examine
    from appliance.errors import StateInvalid
    from appliance.paths.confine import NoFilter

    try:
        found = examine(
            Path(str(argument["place"])),
            Path(str(argument["state_dir"])),
            "strict" if argument["freshness"] == "strict" else "airgap",
            timedelta(days=int(argument["max_age_days"])),
            clock_trusted=bool(argument["clock_trusted"]),
            unconfined=bool(argument["unconfined"]),
        )
    except (StateInvalid, NoFilter) as error:
        return {"problem": f"cannot examine anything: {error}"}
    return {"found": [each.model_dump() for each in found]}


def accelerators(_: Mapping[str, Any]) -> dict[str, Any]:
    """The devices that each runtime offers, as it says itself."""
    onnx: list[str] = []
    if importlib.util.find_spec("onnxruntime"):
        from appliance.features.embedder import runtime

        onnx = [str(name) for name in runtime().get_available_providers()]
    devices: list[str] = []
    library = _llama_cpp()
    if library is not None:
        devices = ["CPU", *(["GPU"] if library.llama_supports_gpu_offload() else [])]
    return {"onnx": onnx, "llama": devices}


def ort_telemetry(argument: Mapping[str, Any]) -> dict[str, Any]:
    """Imports onnxruntime as the node does, under the hook, and looks at what it did besides."""
    if importlib.util.find_spec("onnxruntime") is None:
        return {"problem": "onnxruntime is not installed"}
    from appliance.egress import install_audit_hook
    from appliance.features.embedder import runtime

    home = Path(str(argument["home"]))
    door = install_audit_hook(frozenset(), state_dir=home)
    early = "onnxruntime" in sys.modules
    module = runtime()
    module.SessionOptions()
    return {
        "variable": os.environ.get("ORT_DISABLE_TELEMETRY", ""),
        "early": early,
        "written": sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()),
        "refused": [f"{refusal.what} {refusal.where}" for refusal in door.refusals],
        "sockets": _sockets(),
        "version": str(module.__version__),
    }


def _sockets() -> int:
    """Sockets that this process holds: C code opens them unseen by the hook."""
    held = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # the one that lists them is gone already
            held += str(descriptor.readlink()).startswith("socket:")
    return held


def imports(_: Mapping[str, Any]) -> dict[str, Any]:
    """Imports the server and names the libraries in it that fetch by themselves."""
    if importlib.util.find_spec("appliance.web.server") is None:
        return {"problem": "appliance.web.server is not installed"}
    importlib.import_module("appliance.web.server")
    return {"found": [name for name in FETCHERS if name in sys.modules]}


def _llama_cpp() -> Any:
    if importlib.util.find_spec("llama_cpp") is None:
        return None
    return importlib.import_module("llama_cpp")


@contextlib.contextmanager
def _stderr_closed() -> Any:
    """llama.cpp writes its log to file descriptor 2; doctor's stderr is for sentences."""
    kept = os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(null)
        os.close(kept)


PROBES: dict[str, Probe] = {
    "embedder": embedder,
    "llama": llama,
    "gguf": gguf,
    "generation": generation,
    "servers": servers,
    "medium": medium,
    "accelerators": accelerators,
    "ort_telemetry": ort_telemetry,
    "imports": imports,
    **ESCAPES,
}
