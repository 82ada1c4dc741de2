"""What escapes a handler: a client that is gone is no failure of the node."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import ClientConnectionResetError, web
from aiohttp.test_utils import make_mocked_request
from structlog.testing import capture_logs

from appliance.web.connection import Connection


async def test_a_client_that_is_gone_is_not_logged_as_a_failure_of_the_node() -> None:
    async def handler(_: web.BaseRequest) -> web.StreamResponse:
        raise AssertionError("not asked")

    loop = asyncio.get_running_loop()
    connection = Connection(web.Server(handler), loop=loop, header_timeout_s=60.0, keepalive_s=60.0)
    request = make_mocked_request("POST", "/v1/chat/completions")
    request.writer.output_size = 0
    with capture_logs() as logs:
        with pytest.raises(ConnectionError):
            connection.handle_error(request, 500, ClientConnectionResetError("Cannot write to closing transport"))
        assert logs == []
        assert connection.handle_error(request, 500, RuntimeError()).status == 500
    assert [(entry["event"], entry["kind"]) for entry in logs] == [("internal-error", "RuntimeError")]
