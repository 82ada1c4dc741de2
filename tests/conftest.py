"""What all tests share: the network is loopback, and CI refuses skips."""

from __future__ import annotations

import os
import signal
import socket
from typing import Any

import pytest

# Before any test imports onnxruntime into this process, which calls home otherwise; what the node does is asked of
# processes of their own.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

# What a host has or has not, and no set-up can change.
_ALLOWED_SKIPS = (
    "needs a GPU",
    "the card does not claim",
    "this provider can be told",
    "strace cannot trace here",
    "the kernel offers no Landlock",
    "SoftHSM is not installed here",
    "this host mounts no",  # without privileges or loop devices; directories stand in for part of it
)


def pytest_configure() -> None:
    """Who runs the tests in a script's background has Ctrl-C ignored, and what they start would inherit that."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--strict-skips", action="store_true", help="a skipped test fails the run (used by CI)")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first: two workers then end together (`make test` gives each worker whole files)."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if config.getoption("--strict-skips") and terminalreporter.stats.get("skipped"):
        terminalreporter.write_line("CI: tests were skipped here; install what they need in .ci/run", red=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter is not None else []
    unexcused = [report for report in skipped if not any(reason in str(report.longrepr) for reason in _ALLOWED_SKIPS)]
    if session.config.getoption("--strict-skips") and unexcused and session.exitstatus == 0:
        session.exitstatus = 1


@pytest.fixture(autouse=True)
def only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """The outside is unreachable from a test; the node's own door is tested for itself."""
    real = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not str(address[0]).startswith(
            ("127.", "::1", "localhost")
        ):
            raise PermissionError(f"a test tried to reach {address[0]}")
        return real(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)
