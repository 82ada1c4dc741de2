"""What doctor runs in a child process: anything that loads native code, or tries to break out.

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
import socket
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Probe = Callable[[Mapping[str, Any]], dict[str, Any]]
# TEST-NET-1 (RFC 5737), the documentation prefix (RFC 3849) and a name that cannot exist (RFC 2606): should an
# attempt get out, it reaches nobody.
OUTSIDE = "192.0.2.1"
OUTSIDE_6 = "2001:db8::1"
NOBODY = "weir-doctor.invalid"
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


def egress(argument: Mapping[str, Any]) -> dict[str, Any]:
    """Tries to get out in several ways, with the node's door closed."""
    from appliance.egress import Egress, NoLedger

    _close_the_door(argument)
    proxy = {"http_proxy": f"http://{OUTSIDE}:3128", "https_proxy": f"http://{OUTSIDE}:3128"}
    os.environ.update(proxy)
    return {
        "tries": {
            f"TCP to {OUTSIDE}": _try(lambda: socket.create_connection((OUTSIDE, 443), timeout=2)),
            f"TCP to {OUTSIDE_6}": _try(_connect_6),
            f"UDP to {OUTSIDE}": _try(_send),
            f"HTTP to {OUTSIDE}": _try(_fetch),
            "a session to an unlisted address": _try(
                lambda: Egress(frozenset(), NoLedger()).session_for(f"https://{OUTSIDE}")
            ),
            "a Unix socket elsewhere": _try(_unix),
        }
    }


def dns(argument: Mapping[str, Any]) -> dict[str, Any]:
    """Tries to look up a name in several ways, with the node's door closed."""
    _close_the_door(argument)
    return {
        "tries": {
            "getaddrinfo": _try(lambda: socket.getaddrinfo(NOBODY, 443)),
            "gethostbyname": _try(lambda: socket.gethostbyname(NOBODY)),
            "gethostbyaddr": _try(lambda: socket.gethostbyaddr(OUTSIDE)),
        }
    }


def _close_the_door(argument: Mapping[str, Any]) -> None:
    from appliance.egress import install_audit_hook

    install_audit_hook(frozenset(), state_dir=Path(str(argument["state_dir"])))


def _try(attempt: Callable[[], object]) -> str:
    """'refused' by the node, 'reached', or what stopped it otherwise."""
    from appliance.egress import EgressRefused

    try:
        attempt()
    except EgressRefused:
        return "refused"
    except Exception as error:  # noqa: BLE001  whatever stopped it is the answer
        # urllib wraps what its connection raised.
        inner = getattr(error, "reason", None)
        return "refused" if isinstance(inner, EgressRefused) else f"stopped by {type(error).__name__}"
    return "reached"


def _connect_6() -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
        probe.settimeout(2)
        probe.connect((OUTSIDE_6, 443))


def _send() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.sendto(b"weir", (OUTSIDE, 53))


def _fetch() -> None:
    from urllib.request import urlopen

    with urlopen(f"http://{OUTSIDE}/", timeout=2):
        pass


def _unix() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.connect("/run/weir-doctor-nobody.sock")


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
    "accelerators": accelerators,
    "ort_telemetry": ort_telemetry,
    "imports": imports,
    "egress": egress,
    "dns": dns,
}
