"""Claims about the log: where it goes, in which form, and what an exception leaves in it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from appliance.cli.logs import configure
from appliance.config import Logging


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_the_log_is_json_lines_on_stderr_from_the_level_on(capsys: pytest.CaptureFixture[str]) -> None:
    configure(Logging(level="warning"))
    structlog.get_logger("weir.x").info("too-little")
    structlog.get_logger("weir.x").warning("seen", path="a\x1b[31m\u202e")
    logging.getLogger("library").error("seen too")
    said = capsys.readouterr()
    assert said.out == ""
    first, second = [json.loads(line) for line in said.err.splitlines()]
    assert (first["event"], first["level"], first["logger"]) == ("seen", "warning", "weir.x")
    assert second["event"] == "seen too"
    assert "\x1b" not in said.err


def test_a_log_read_on_a_terminal_obeys_nothing_that_came_from_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    configure(Logging(format="text"))
    structlog.get_logger("weir.x").warning("fail\x1b[2Jed", path="a\x9b\u202e")
    said = capsys.readouterr().err
    assert "fail\\x1b[2Jed" in said
    assert not any(char in said for char in "\x1b\x9b\u202e")


@pytest.mark.parametrize("form", ["json", "text"])
@pytest.mark.parametrize("by", ["structlog", "logging"])
def test_an_exception_is_logged_as_class_and_place_never_with_what_it_quotes(
    capsys: pytest.CaptureFixture[str], form: str, by: str
) -> None:
    configure(Logging.model_validate({"format": form}))
    log = structlog.get_logger("weir.x") if by == "structlog" else logging.getLogger("aiohttp.server")
    try:
        raise ValueError("the whole prompt")
    except ValueError:
        log.exception("it-broke")
    said = capsys.readouterr().err
    assert "it-broke" in said
    assert "ValueError" in said
    assert "test_logs.py:" in said
    assert "the whole prompt" not in said
    assert "Traceback" not in said
