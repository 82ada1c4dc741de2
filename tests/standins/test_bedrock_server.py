"""The stand-in for Bedrock speaks the real wire format: AWS's own client reads it, and its signatures pass."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.standins.bedrock_server import REGION, bedrock
from tests.standins.openai_answers import Behaviour
from tests.standins.provider import ProviderStandIn

TOOL = {"toolSpec": {"name": "weather", "inputSchema": {"json": {"type": "object", "properties": {}}}}}


def client(server: ProviderStandIn, secret: str) -> Any:
    return botocore.session.Session().create_client(
        "bedrock-runtime",
        region_name=REGION,
        endpoint_url=server.base_url,
        aws_access_key_id="AKID",
        aws_secret_access_key=secret,
        config=Config(retries={"max_attempts": 0}, connect_timeout=5, read_timeout=5),
    )


def ask(server: ProviderStandIn) -> dict[str, Any]:
    asked: dict[str, Any] = {
        "modelId": "eu.anthropic.claude:1/x",
        "messages": [{"role": "user", "content": [{"text": "one two"}]}],
    }
    with closing(client(server, "secret")) as aws:

        def events(**over: Any) -> list[Any]:
            with closing(aws.converse_stream(**asked | over)["stream"]) as stream:
                return list(stream)

        found: dict[str, Any] = {"whole": aws.converse(**asked), "events": events()}
        found["tool"] = events(toolConfig={"tools": [TOOL], "toolChoice": {"any": {}}})
        for name, model in (("throttled", "mode:429"), ("inside", "mode:error-event")):
            try:
                events(modelId=model)
            except (ClientError, botocore.exceptions.EventStreamError) as error:
                found[name] = error.response["Error"]["Code"]
    with closing(client(server, "wrong")) as aws:
        try:
            aws.converse(**asked)
        except ClientError as error:
            found["refused"] = error.response["Error"]["Code"]
    return found


async def test_awss_own_client_reads_what_the_stand_in_says() -> None:
    async with bedrock(Behaviour(key="AKID:secret")) as server:
        found = await asyncio.to_thread(ask, server)
    assert found["whole"]["output"]["message"]["content"] == [{"text": "one two"}]
    assert found["whole"]["usage"]["totalTokens"] == 4
    pieces = [e["contentBlockDelta"]["delta"]["text"] for e in found["events"] if "contentBlockDelta" in e]
    assert pieces == ["one", " two"]
    assert found["events"][-2]["messageStop"] == {"stopReason": "end_turn"}
    assert found["events"][-1]["metadata"]["usage"]["outputTokens"] == 2
    starts = [e["contentBlockStart"]["start"]["toolUse"]["name"] for e in found["tool"] if "contentBlockStart" in e]
    assert starts == ["weather"]
    assert found["throttled"] == "ThrottlingException"
    assert found["inside"] == "modelStreamErrorException"
    assert found["refused"] == "UnrecognizedClientException"
    assert server.bills.ends() == {"whole": 3, "refused": 2, "begun": 1}
