"""Checks of the door: doctor tries to break out, of the node and of a worker, and must fail.

Rules kept here:
1. Only the node's own refusal passes. What a host without a route, a file or a privilege stops proves nothing.
2. What a kernel does not offer is said as a warning where the host's file permits it, and as a failure otherwise.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from appliance.doctor.check import Check, CheckOutcome, Subject, failed, passed, skipped, warned
from appliance.doctor.child import Answer, ask
from appliance.paths.confine.attempts import BESIDE, STARTED_WITH

_REPORT = "Do not use this build: report it."
_KERNEL = "Run a kernel with seccomp filters (CONFIG_SECCOMP_FILTER), on x86_64 or aarch64; see docs/egress.md."
_LANDLOCK = "Run Linux 5.13 or newer with landlock among its security modules (lsm=landlock,...); see docs/egress.md."
_ESCAPE_S = 60.0


def _node(probe: str, subject: Subject) -> CheckOutcome:
    answer = ask(probe, {"state_dir": str(subject.config.state_dir)}, timeout_s=_ESCAPE_S)
    if not answer.ok:
        return failed(f"the attempt {answer.problem}", "Reinstall the package.")
    tries: dict[str, str] = answer.value["tries"]
    if wrong := {name: result for name, result in tries.items() if result != "refused"}:
        out = [name for name, result in wrong.items() if result == "reached"]
        stopped = [f"{name} ({result})" for name, result in wrong.items() if result != "reached"]
        said = [f"got out: {', '.join(out)}"] if out else []
        said += [f"stopped by the host, not by the node: {', '.join(stopped)}"] if stopped else []
        return failed("; ".join(said), _REPORT, tries=tries)
    stated = ", ".join(answer.value.get("stated", ()))
    besides = f"; {stated} is set here and ignored by the node" if stated else ""
    return passed(f"refused: {', '.join(tries)}{besides}", tries=tries)


def _worker(group: str, subject: Subject) -> CheckOutcome:
    answer = ask("worker", {}, timeout_s=2 * _ESCAPE_S)
    return judged(group, answer, unconfined_permitted=subject.config.paths.unconfined_workers)


def judged(group: str, answer: Answer, *, unconfined_permitted: bool) -> CheckOutcome:
    """What a worker's attempts of one group say of what holds it."""
    if answer.value.get("unconfined"):
        if unconfined_permitted:
            said = f"local models run unconfined, as weir.yaml permits: {answer.problem}"
            return warned(said, f"{_KERNEL} Then take paths.unconfined_workers out of weir.yaml.")
        return failed(f"no local model starts: {answer.problem}", _KERNEL)
    if not answer.ok:
        if "is not installed" in answer.problem:
            return skipped(answer.problem)
        return failed(answer.problem, "See 'llama-library'.")
    by, lacking = str(answer.value["by"]), str(answer.value["lacking"])
    tries: dict[str, str] = answer.value["tries"][group]
    more: dict[str, Any] = {"by": by, "lacking": lacking, "tries": tries}
    wrong = [f"{what} ({how})" for what, how in tries.items() if not how.startswith("refused")]
    if "landlock" not in by and not [what for what in wrong if not what.startswith((BESIDE, STARTED_WITH))]:
        if wrong:
            return warned(f"a worker can read more than its model: {lacking}", _LANDLOCK, **more)
    elif wrong:
        return failed(f"a worker got through: {', '.join(wrong)}", _REPORT, **more)
    return passed(f"{len(tries)} attempts of a worker refused by {by}: {', '.join(tries)}", **more)


CHECKS = (
    *(
        Check(name, about, partial(_node, name))
        for name, about in (
            ("egress-dns", "a look-up of an unlisted name is refused"),
            ("egress-tcp", "a connection to an unlisted address is refused"),
            ("egress-udp", "a datagram to an unlisted address is refused"),
            ("egress-proxy", "a proxy named in the environment is not used"),
            ("egress-redirect", "a redirect to an unlisted address is not followed"),
            ("egress-unix", "a Unix socket outside the state directory is refused"),
            ("egress-child", "a child process of the node is refused"),
        )
    ),
    Check("worker-network", "a worker can open no socket", partial(_worker, "network")),
    Check("worker-children", "a worker can start and touch no process", partial(_worker, "processes")),
    Check("worker-files", "a worker can read its model and write nothing", partial(_worker, "files")),
)
