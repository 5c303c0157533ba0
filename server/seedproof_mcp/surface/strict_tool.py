"""A tool of the server: its schemas, and the check of its arguments before it runs."""

from collections.abc import Callable, Sequence
from typing import Any

import anyio.to_thread
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.func_metadata import ArgModelBase
from mcp_types import CallToolResult, TextContent, ToolAnnotations
from pydantic import ConfigDict, Field, ValidationError
from seedproof.model.refusals import WHERE_WE_STAND, BadArguments, Refusal

from seedproof_mcp.service.replies.result import Follow
from seedproof_mcp.surface.mended import mended_call
from seedproof_mcp.surface.stdio import MAX_LINE_BYTES, TOO_LONG

__all__ = ["StrictTool", "refusal_result", "strict_tool", "text_blocks"]

# Arguments that hosts put into every tool's schema and send along, and that say nothing to the tool. Every other name
# that is not in the schema is refused.
INJECTED = frozenset({"wait_for_previous"})  # Gemini CLI 0.61: whether to wait for the calls before


class StrictTool(Tool):
    """A tool that refuses arguments that are not in its schema, in the form of every refusal."""

    ledger_head: Callable[[], str] = Field(exclude=True)

    async def run(self, arguments: dict[str, Any], context: Context[Any, Any], convert_result: bool = False) -> Any:
        """Run the tool, if the arguments are exactly of its types.

        The SDK ignores unknown names, turns JSON in strings into values and puts a prefix before errors; here the
        arguments are checked as they came.
        """
        if arguments.keys() == {TOO_LONG}:
            message = f"the call is longer than {MAX_LINE_BYTES / 1e6:g} MB; give names, flags and words, not data."
            return await self._refusal(BadArguments(message))
        given = {name: value for name, value in arguments.items() if name not in INJECTED}
        try:
            validated = self.fn_metadata.arg_model.model_validate(given).model_dump_one_level()
        except ValidationError as error:
            return await self._refusal(self._bad_arguments(error, given))
        extra = {} if self.context_kwarg is None else {self.context_kwarg: context}
        # Returned as it is: the SDK would look for the fields that a short answer leaves out.
        return await self.fn_metadata.call_fn(self.fn, self.is_async, validated, extra)

    async def _refusal(self, refusal: Refusal) -> CallToolResult:
        return refusal_result(refusal, await anyio.to_thread.run_sync(self.ledger_head))

    def _bad_arguments(self, error: ValidationError, arguments: dict[str, Any]) -> BadArguments:
        faults = [_fault(fault) for fault in error.errors(include_url=False, include_input=False)[:5]]
        allowed = ", ".join(self.fn_metadata.arg_model.model_fields) or "none"
        mended = mended_call(self.name, self.fn_metadata.arg_model, arguments)
        return BadArguments(f"{self.name}: {'; '.join(faults)}. Arguments: {allowed}.", mended or WHERE_WE_STAND)


def _fault(fault: Any) -> str:
    where = ".".join(str(part)[:40] for part in fault["loc"])
    message = "unknown argument" if fault["type"] == "extra_forbidden" else fault["msg"]
    return f"{where}: {message}"


def refusal_result(refusal: Refusal, ledger_head: str) -> CallToolResult:
    """A refusal as an MCP result: text for the model, structure for the client.

    The first text is the refusal as it is documented; what else the structure says stands in a second one.
    """
    call = Follow.of(refusal.next_call)
    structured = {
        "refusal": {"code": refusal.code, "message": refusal.message},
        "next": call.model_dump(mode="json") if call else None,
        "ledger_head": ledger_head,
    }
    texts = [str(refusal), "\n".join([*([f"Next brings: {call.why}"] if call else []), f"Ledger: {ledger_head}"])]
    return CallToolResult(content=[*text_blocks(texts)], structured_content=structured, is_error=True)


def text_blocks(texts: Sequence[str]) -> list[TextContent]:
    """The texts of one answer; all but the first begin a line, as Copilot CLI 1.0 joins them with nothing between."""
    return [TextContent(type="text", text=text if number == 0 else f"\n{text}") for number, text in enumerate(texts)]


def strict_tool(
    act: Callable[..., Any],
    ledger_head: Callable[[], str],
    name: str,
    title: str,
    description: str,
    annotations: ToolAnnotations,
    meta: dict[str, Any] | None = None,
) -> StrictTool:
    """The tool that acts, with short schemas.

    Args:
        act: Takes the arguments of the tool and returns its answer.
        ledger_head: Of the ledger as it is now, for refusals.
        meta: What the tool says of itself to hosts, such as the page that its answers are shown with.
    """
    made = Tool.from_function(act, name=name, title=title, description=description, annotations=annotations, meta=meta)
    model = made.fn_metadata.arg_model
    strict: type[ArgModelBase] = type(
        model.__name__, (model,), {"model_config": ConfigDict(extra="forbid", strict=True)}
    )
    made.fn_metadata.arg_model = strict
    made.fn_metadata.output_schema = _answers(_without(_LONG, made.fn_metadata.output_schema or {}))
    return StrictTool(
        **{field: getattr(made, field) for field in Tool.model_fields if field != "parameters"},
        parameters=_optional(_without(("title",), strict.model_json_schema(by_alias=True))),
        ledger_head=ledger_head,
    )


# Of no use to a model; and every field of a result may be left out, but for those that `_answers` names.
_LONG = ("title", "description", "required", "default")


def _without(keywords: Sequence[str], schema: Any) -> Any:
    """The schema without these keywords; fields of these names stay, as a field's schema is no text or list."""
    if isinstance(schema, list):
        return [_without(keywords, one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    kept = [name for name in schema if name not in keywords or isinstance(schema[name], dict)]
    return {name: _without(keywords, schema[name]) for name in kept}


def _optional(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of arguments, where one that may be left out does not say that null stands for that as well."""
    return {**schema, "properties": {name: _not_null(one) for name, one in schema["properties"].items()}}


def _not_null(schema: dict[str, Any]) -> dict[str, Any]:
    kinds = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    if len(kinds) != 1:
        return schema
    return {**kinds[0], **{name: one for name, one in schema.items() if name not in ("anyOf", "default")}}


def _answers(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a tool's answer: its result, or a refusal.

    Clients validate error results against it as well (seen with the MCP Inspector 2.12): a refusal that did not fit
    would not reach the model.
    """
    refusal = {
        "type": "object",
        "description": "Instead of a result, where is_error is set.",
        "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
        "required": ["code", "message"],
        "additionalProperties": False,
    }
    parts = {"type": "object", "required": ["ledger_head", "next"]}
    if "anyOf" in schema:  # of two kinds of results
        answers = [*schema["anyOf"], {"required": ["refusal"]}]
        return {**schema, **parts, "properties": {"refusal": refusal}, "anyOf": answers}
    answers = [{"required": ["headline"]}, {"required": ["refusal"]}]
    return {**schema, **parts, "properties": {**schema["properties"], "refusal": refusal}, "anyOf": answers}
