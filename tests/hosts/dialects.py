"""How hosts talk to a model: what a request holds, and how an answer is written, for each kind of API."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

__all__ = ["DIALECTS", "Answer", "Dialect", "Event", "Offered"]

Body = Mapping[str, Any]
Event = tuple[str | None, Mapping[str, Any] | str]
"""A server-sent event: its name and its data."""
# Hosts count what they spend; none of them minds the numbers.
_USED = 10


@dataclass(frozen=True, slots=True)
class Offered:
    """A tool as the host offers it to the model."""

    name: str
    arguments: frozenset[str]
    namespace: str | None = None

    def is_tool(self, tool: str) -> bool:
        """Whether this is a server's tool, before whose name hosts put the server's."""
        return self.name == tool or (self.name.endswith(tool) and self.name[-len(tool) - 1] in "-_/.")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model says: a call of an offered tool, or words."""

    number: int
    words: str = ""
    tool: Offered | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)


class Dialect(Protocol):
    """One kind of API."""

    def offered(self, body: Body) -> list[Offered]: ...

    def replies(self, body: Body) -> list[str]:
        """What the host hands over of each call's reply, oldest first."""

    def instructions(self, body: Body) -> str:
        """Everything that is said to the model besides tools and replies."""

    def message(self, body: Body, answer: Answer) -> dict[str, Any]:
        """The answer as one document."""

    def events(self, body: Body, answer: Answer) -> list[Event]:
        """The answer as a stream."""


def _offered(tool: Body, schema: str, namespace: str | None = None) -> Offered:
    properties = (tool.get(schema) or {}).get("properties") or {}
    return Offered(tool["name"], frozenset(properties), namespace)


def _texts(value: Any) -> Iterator[str]:
    """Every text within a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, Sequence):
        for one in value:
            yield from _texts(one)


def _joined(value: Any) -> str:
    return "\n".join(_texts(value))


class Anthropic:
    """The Messages API."""

    def offered(self, body: Body) -> list[Offered]:
        return [_offered(tool, "input_schema") for tool in body.get("tools", ()) if "name" in tool]

    def replies(self, body: Body) -> list[str]:
        parts = [
            part
            for message in body["messages"]
            if not isinstance(message["content"], str)
            for part in message["content"]
        ]
        return [_joined(part.get("content")) for part in parts if part.get("type") == "tool_result"]

    def instructions(self, body: Body) -> str:
        return _joined([body.get("system", ""), body["messages"]])

    def message(self, body: Body, answer: Answer) -> dict[str, Any]:
        part: dict[str, Any] = {"type": "text", "text": answer.words}
        if answer.tool:
            part = {
                "type": "tool_use",
                "id": f"toolu_{answer.number}",
                "name": answer.tool.name,
                "input": answer.arguments,
            }
        return {
            "id": f"msg_{answer.number}",
            "type": "message",
            "role": "assistant",
            "model": body.get("model"),
            "content": [part],
            "stop_reason": "tool_use" if answer.tool else "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": _USED, "output_tokens": _USED},
        }

    def events(self, body: Body, answer: Answer) -> list[Event]:
        message = self.message(body, answer)
        begun: dict[str, Any] = {"type": "text", "text": ""}
        delta = {"type": "text_delta", "text": answer.words}
        if answer.tool:
            begun = {**message["content"][0], "input": {}}
            delta = {"type": "input_json_delta", "partial_json": json.dumps(answer.arguments)}
        end = {"stop_reason": message["stop_reason"], "stop_sequence": None}
        events = [
            {"type": "message_start", "message": {**message, "content": [], "stop_reason": None}},
            {"type": "content_block_start", "index": 0, "content_block": begun},
            {"type": "content_block_delta", "index": 0, "delta": delta},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": end, "usage": {"output_tokens": _USED}},
            {"type": "message_stop"},
        ]
        return [(str(event["type"]), event) for event in events]


class Responses:
    """OpenAI's Responses API."""

    def offered(self, body: Body) -> list[Offered]:
        found = []
        for tool in body.get("tools", ()):
            if tool.get("type") == "namespace":
                found += [_offered(one, "parameters", tool["name"]) for one in tool["tools"]]
            elif "name" in tool:
                found.append(_offered(tool, "parameters"))
        return found

    def replies(self, body: Body) -> list[str]:
        items = [item for item in body.get("input", ()) if isinstance(item, Mapping)]
        return [_joined(item.get("output")) for item in items if str(item.get("type")).endswith("_output")]

    def instructions(self, body: Body) -> str:
        servers = [tool.get("description") for tool in body.get("tools", ()) if tool.get("type") == "namespace"]
        return _joined([body.get("instructions", ""), body.get("input", ()), servers])

    def message(self, body: Body, answer: Answer) -> dict[str, Any]:
        content = [{"type": "output_text", "text": answer.words, "annotations": []}]
        item: dict[str, Any] = {"type": "message", "id": f"m_{answer.number}", "role": "assistant", "content": content}
        if answer.tool:
            item = {"type": "function_call", "id": f"fc_{answer.number}", "call_id": f"call_{answer.number}"}
            item |= {"name": answer.tool.name, "arguments": json.dumps(answer.arguments)}
            item |= {"namespace": answer.tool.namespace} if answer.tool.namespace else {}
        return {
            "id": f"resp_{answer.number}",
            "object": "response",
            "status": "completed",
            "model": body.get("model"),
            "output": [{**item, "status": "completed"}],
            "usage": {
                "input_tokens": _USED,
                "input_tokens_details": {"cached_tokens": 0},
                "output_tokens": _USED,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": 2 * _USED,
            },
        }

    def events(self, body: Body, answer: Answer) -> list[Event]:
        whole = self.message(body, answer)
        item = {"output_index": 0, "item": whole["output"][0]}
        events = [
            {"type": "response.created", "response": {**whole, "status": "in_progress", "output": []}},
            {"type": "response.output_item.added", **item},
            {"type": "response.output_item.done", **item},
            {"type": "response.completed", "response": whole},
        ]
        return [(str(event["type"]), event) for event in events]


class Chat:
    """OpenAI's Chat Completions API."""

    def offered(self, body: Body) -> list[Offered]:
        return [_offered(tool["function"], "parameters") for tool in body.get("tools", ()) if "function" in tool]

    def replies(self, body: Body) -> list[str]:
        return [_joined(message.get("content")) for message in body["messages"] if message.get("role") == "tool"]

    def instructions(self, body: Body) -> str:
        return _joined([message.get("content") for message in body["messages"] if message.get("role") != "tool"])

    def message(self, body: Body, answer: Answer) -> dict[str, Any]:
        return self._document(body, answer, "chat.completion", {"message": self._said(answer)})

    def events(self, body: Body, answer: Answer) -> list[Event]:
        kind = "chat.completion.chunk"
        said = {**self._document(body, answer, kind, {"delta": self._said(answer)})}
        said["choices"][0]["finish_reason"] = None
        return [(None, said), (None, self._document(body, answer, kind, {"delta": {}})), (None, "[DONE]")]

    def _said(self, answer: Answer) -> dict[str, Any]:
        if not answer.tool:
            return {"role": "assistant", "content": answer.words}
        function = {"name": answer.tool.name, "arguments": json.dumps(answer.arguments)}
        call = {"index": 0, "id": f"call_{answer.number}", "type": "function", "function": function}
        return {"role": "assistant", "content": None, "tool_calls": [call]}

    def _document(self, body: Body, answer: Answer, kind: str, choice: Body) -> dict[str, Any]:
        return {
            "id": f"c_{answer.number}",
            "object": kind,
            "created": 1,
            "model": body.get("model"),
            "choices": [{"index": 0, **choice, "finish_reason": "tool_calls" if answer.tool else "stop"}],
            "usage": {"prompt_tokens": _USED, "completion_tokens": _USED, "total_tokens": 2 * _USED},
        }


class Gemini:
    """Google's generateContent API."""

    def offered(self, body: Body) -> list[Offered]:
        declared = [one for tool in body.get("tools", ()) for one in tool.get("functionDeclarations", ())]
        return [_offered(one, "parametersJsonSchema") for one in declared]

    def replies(self, body: Body) -> list[str]:
        parts = [part for content in body.get("contents", ()) for part in content.get("parts", ())]
        return [_joined(part["functionResponse"]) for part in parts if "functionResponse" in part]

    def instructions(self, body: Body) -> str:
        return _joined([body.get("systemInstruction", {}), body.get("contents", ())])

    def message(self, body: Body, answer: Answer) -> dict[str, Any]:
        part: dict[str, Any] = {"text": answer.words}
        if answer.tool:
            part = {"functionCall": {"name": answer.tool.name, "args": answer.arguments}}
        counted = {"promptTokenCount": _USED, "candidatesTokenCount": _USED, "totalTokenCount": 2 * _USED}
        said = {"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}
        return {"candidates": [said], "usageMetadata": counted, "modelVersion": "stand-in"}

    def events(self, body: Body, answer: Answer) -> list[Event]:
        return [(None, self.message(body, answer))]


DIALECTS: Mapping[str, Dialect] = {
    "/messages": Anthropic(),
    "/responses": Responses(),
    "/chat/completions": Chat(),
    ":generateContent": Gemini(),
    ":streamGenerateContent": Gemini(),
}
"""The dialects by the end of the path that requests are sent to."""
