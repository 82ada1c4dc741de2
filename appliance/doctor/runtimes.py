"""Checks of the libraries that run models: do they load, for which CPU and device, and do they call home.

That a runtime offers a device is all that is seen here; where a model really ran, its record says.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from appliance.doctor.check import Check, CheckOutcome, Subject, failed, passed, skipped, warned
from appliance.doctor.child import ask

# What llama.cpp says it was compiled with, and the flag of /proc/cpuinfo that the CPU must then have.
INSTRUCTIONS = {
    "SSE3": "pni",
    "SSSE3": "ssse3",
    "AVX": "avx",
    "AVX_VNNI": "avx_vnni",
    "AVX2": "avx2",
    "F16C": "f16c",
    "FMA": "fma",
    "BMI2": "bmi2",
    "AVX512": "avx512f",
    "AVX512_VBMI": "avx512vbmi",
    "AVX512_VNNI": "avx512_vnni",
    "AVX512_BF16": "avx512_bf16",
    "AMX_INT8": "amx_int8",
    "NEON": "asimd",
    "ARM_FMA": "asimd",
    "DOTPROD": "asimddp",
    "SVE": "sve",
    "MATMUL_INT8": "i8mm",
}
# Worth building for where the CPU has them: each made decoding clearly faster in llama.cpp's own figures.
_WORTH = ("AVX2", "FMA", "F16C", "AVX512", "AVX512_VNNI", "AVX_VNNI", "DOTPROD", "MATMUL_INT8")
_OFFLOADS = ("npu", "gpu")
_ABSENT = "is not installed"


def compiled_for(system_info: str) -> set[str]:
    """The instruction sets that llama.cpp's system info names as on, of those that are known here."""
    found = set()
    for part in system_info.replace("CPU :", "").split("|"):
        name, _, value = part.partition("=")
        if value.strip() == "1" and name.strip() in INSTRUCTIONS:
            found.add(name.strip())
    return found


def cpu_flags() -> set[str]:
    """The flags of the first CPU; empty where they cannot be read."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return set()
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("flags", "Features"):
            return set(value.split())
    return set()


def _llama(_: Subject) -> CheckOutcome:
    answer = ask("llama", {})
    if answer.signal == "SIGILL":
        return failed(
            "llama.cpp was compiled for instructions that this CPU does not have",
            "Install the package for this CPU, or rebuild llama-cpp-python with -DGGML_NATIVE=OFF.",
        )
    if not answer.ok:
        if _ABSENT in answer.problem:
            return skipped(answer.problem)
        return failed(f"llama.cpp {answer.problem}", "Reinstall the package; a library may be missing.")
    compiled = compiled_for(str(answer.value["system_info"]))
    flags = cpu_flags()
    if not flags:
        return warned(f"loads; compiled for {_names(compiled)}", "The CPU's flags cannot be read.")
    absent = {name for name in compiled if INSTRUCTIONS[name] not in flags}
    unused = [name for name in _WORTH if INSTRUCTIONS[name] in flags and name not in compiled]
    more = {"compiled": sorted(compiled), "unused": unused, "version": answer.value["version"]}
    seen = f"llama-cpp-python {answer.value['version']} loads, compiled for {_names(compiled)}"
    if absent:
        fix = "Install the package for this CPU: models would end with an illegal instruction."
        return failed(f"{seen}; this CPU lacks {_names(absent)}", fix, **more)
    if unused:
        fix = "Decoding would be faster from a build for this CPU (packaging/llama-cpp.cmake)."
        return warned(f"{seen}; this CPU also has {_names(unused)}", fix, **more)
    return passed(seen, **more)


def _names(names: set[str] | list[str]) -> str:
    return ", ".join(sorted(names)) or "no extension"


def _accelerators(subject: Subject) -> CheckOutcome:
    cards = [item.card for item in subject.shelf[0] if not item.card.endpoint]
    if not cards:
        return skipped("no card names a local model")
    answer = ask("accelerators", {})
    if not answer.ok:
        return failed(f"the runtimes could not be asked: {answer.problem}", "See 'llama-library'.")
    offered = {"onnx": list(answer.value["onnx"]), "llama": list(answer.value["llama"])}
    seen = f"ONNX providers {_names(offered['onnx'])}; llama.cpp devices {_names(offered['llama'])}"
    wanted: dict[str, Any] = {}
    for card in cards:
        runtime = "llama" if card.runtime.startswith("llama") else "onnx"
        asks_gpu = card.llama.gpu_layers > 0
        if (card.accelerator in _OFFLOADS or asks_gpu) and not _offloads(offered[runtime]):
            wanted[card.id] = card.accelerator if card.accelerator in _OFFLOADS else "gpu"
    if wanted:
        said = ", ".join(f"{name} asks for {kind}" for name, kind in wanted.items())
        fix = "Install the runtime for that device, or use a card for the CPU, where it would run anyway."
        return warned(f"{said}, which no runtime here offers; {seen}", fix, wanted=wanted, offered=offered)
    return passed(seen, offered=offered)


def _offloads(devices: list[str]) -> bool:
    return any(name not in ("CPU", "CPUExecutionProvider", "AzureExecutionProvider") for name in devices)


def _ort_telemetry(_: Subject) -> CheckOutcome:
    with tempfile.TemporaryDirectory(prefix="weir-doctor-") as home:
        # A home of its own shows what the library writes unasked; the variable is taken away because it is
        # the program that must set it.
        env = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
        answer = ask("ort_telemetry", {"home": home}, env={**env, "HOME": home, "TMPDIR": home})
    if not answer.ok:
        if _ABSENT in answer.problem:
            return skipped(answer.problem)
        return failed(f"onnxruntime {answer.problem}", "Reinstall the package.")
    value = answer.value
    wrong = []
    if value["variable"] != "1":
        wrong.append("ORT_DISABLE_TELEMETRY was not set")
    if value["early"]:
        wrong.append("onnxruntime was imported before the variable was set")
    if value["written"]:
        wrong.append(f"it wrote {', '.join(value['written'])}")
    if value["sockets"]:
        wrong.append(f"it holds {value['sockets']} sockets")
    if value["refused"]:
        wrong.append(f"it tried {', '.join(value['refused'])}")
    if wrong:
        return failed("; ".join(wrong), "Do not use this build: it would call home. Report it.", **value)
    return passed(f"onnxruntime {value['version']}: telemetry off before its import, no file, no socket", **value)


def _imports(_: Subject) -> CheckOutcome:
    answer = ask("imports", {})
    if not answer.ok:
        if _ABSENT in answer.problem:
            return skipped(answer.problem)
        return failed(f"the node {answer.problem}", "Reinstall the package.")
    found = list(answer.value["found"])
    if found:
        return failed(f"the node imports {', '.join(found)}", "Do not use this build: these fetch from the network.")
    return passed("the node imports no library that fetches by itself; HF_HUB_OFFLINE and the like are not needed")


CHECKS = (
    Check("llama-library", "llama.cpp loads and was compiled for this CPU", _llama),
    Check("accelerators", "the devices that cards ask for are there", _accelerators),
    Check("ort-telemetry", "onnxruntime does not call home", _ort_telemetry),
    Check("imports", "no library that fetches models by itself", _imports),
)
