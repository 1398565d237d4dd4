"""What all message models share: strict types of the wire format, absent members, translated errors.

Models are pydantic models in strict mode: `true` is no integer, `1` no string. Members that a version does
not define are kept (`extra="allow"`), so that a line in canonical form is written back byte for byte;
proposals forbid them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import PydanticCustomError, core_schema

from proofrail.wire.canonical import MAX_SAFE_INTEGER
from proofrail.wire.errors import MalformedError

M = TypeVar("M", bound=BaseModel)

_ON_THE_WIRE: Final = {"wire": True}


class _AbsentNotNull:
    """Mark of an optional member: None in Python, absent on the wire, and null nowhere (design section 5)."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.with_info_wrap_validator_function(_refuse_null, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        described = handler(schema)
        choices = [choice for choice in described.get("anyOf", []) if choice != {"type": "null"}]
        return choices[0] if len(choices) == 1 else described


def _refuse_null(
    value: Any, handler: core_schema.ValidatorFunctionWrapHandler, info: core_schema.ValidationInfo
) -> Any:
    if value is None and info.context:
        raise PydanticCustomError("wrong-type", "must be left out, not null, when there is nothing to say")
    return handler(value)


Absent: Final = _AbsentNotNull()


class Within:
    """An integer in `low` … `high`, inclusive: `Annotated[int, Within(0, 100)]`."""

    def __init__(self, low: int, high: int) -> None:
        self._low = low
        self._high = high

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        # One error naming both bounds serves the reader better than pydantic's, which names the broken one.
        bounded = core_schema.custom_error_schema(
            core_schema.int_schema(ge=self._low, le=self._high),
            custom_error_type="out-of-range",
            custom_error_message=f"must lie in {self._low} … {self._high}",
        )
        return core_schema.chain_schema([core_schema.int_schema(strict=True), bounded])

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"type": "integer", "minimum": self._low, "maximum": self._high}


Count = Annotated[int, Within(0, MAX_SAFE_INTEGER)]
"""A number of things, or a position counted from 0."""

Nanoseconds = Annotated[int, Field(ge=0)]
"""Nanoseconds, since the Unix epoch or elapsed: the only integers that may exceed 2^53−1."""

Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""Thirty-two bytes as lower-case hex."""

HexBytes = Annotated[str, Field(pattern=r"^(?:[0-9a-f]{2})*$")]
"""A byte string as lower-case hex without prefix, "" when empty."""

Felt = Annotated[str, Field(pattern=r"^0x(?:0|[1-9a-f][0-9a-f]{0,63})$")]
"""A field element: "0x…", lower case, without leading zeros."""

MAX_RUN_ID: Final = 256

RunId = Annotated[str, Field(min_length=1, max_length=MAX_RUN_ID)]
"""The run's id: 32 hex characters for runs of a tracer, any text for event streams from elsewhere."""

SpanId = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
AllocationId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]
ProtocolName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,31}$")]
Signature = Annotated[str, Field(pattern=r"^[0-9a-f]{128}$")]
"""An Ed25519 signature as hex."""


class Part(BaseModel):
    """An object inside a message: no version and type of its own, unknown members kept."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True, use_attribute_docstrings=True)

    @model_serializer(mode="wrap")
    def _without_absent_members(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Not exclude_none: a null inside an unknown member was written by someone and stays.
        known = type(self).model_fields
        return {
            name: value for name, value in handler(self).items() if value is not None or name not in known
        }

    def to_object(self) -> dict[str, Any]:
        """The JSON object, absent members left out, unknown members kept."""
        return self.model_dump()


class Message(Part):
    """A line on a topic: version 1, and a type that every subclass names."""

    v: Literal[1] = 1


def first_fault(error: ValidationError) -> tuple[str, str, str]:
    """The first error of a validation as (kind, member path, what the member must be).

    Kinds: `missing-member`, `unknown-member`, `wrong-type`, `out-of-range`, `invalid-text`,
    `unknown-value`, and whatever a PydanticCustomError of the models names; its context may hold the
    `member` it is about.
    """
    fault = error.errors(include_url=False)[0]
    context = fault.get("ctx", {})
    location = fault["loc"] + ((context["member"],) if "member" in context else ())
    kind = _KINDS.get(fault["type"], fault["type"])
    message = {
        "missing-member": "is required",
        "unknown-member": "is not a member of version 1",
        "invalid-text": f"must match {context.get('pattern')}",
        "unknown-value": f"must be {context.get('expected')}",
    }.get(kind, fault["msg"])
    if fault["type"] in _TYPE_NAMES:
        kind, message = "wrong-type", f"must be {_TYPE_NAMES[fault['type']]}"
    return kind, _path(location), message


def validate(model: type[M], obj: dict[str, Any]) -> M:
    """A model of an object read from the wire. Raises pydantic's ValidationError; see `first_fault`."""
    return model.model_validate(obj, context=_ON_THE_WIRE)


def model_of(models: Mapping[str, type[Message]], obj: dict[str, Any], kind: str) -> type[Message]:
    """Which of `models` an object claims to be. Raises MalformedError: `unknown-version`, `unknown-type`."""
    version, name = obj.get("v"), obj.get("type")
    if type(version) is not int or version != 1:
        raise MalformedError(
            "unknown-version",
            f"the line has version {version!r:.40}; this reader knows version 1",
            "Read it with a newer Proofrail" if type(version) is int else 'Every line has "v": 1',
        )
    model = models.get(name) if isinstance(name, str) else None
    if model is None:
        raise MalformedError("unknown-type", f"{name!r:.80} is not a type of {kind} in version 1")
    return model


def read_as(models: Mapping[str, type[Message]], obj: dict[str, Any], kind: str) -> Any:
    """The model of `obj` among `models` by its type.

    Raises MalformedError: `unknown-version`, `unknown-type`, or `malformed-message` (`context["member"]`)
    when a member is missing or not what the type says.
    """
    model = model_of(models, obj, kind)
    try:
        return validate(model, obj)
    except ValidationError as error:
        _, path, message = first_fault(error)
        raise MalformedError("malformed-message", f"{obj['type']}: {path}: {message}", member=path) from error


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for step in location:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
    return path


_KINDS: Final = {
    "missing": "missing-member",
    "extra_forbidden": "unknown-member",
    "greater_than_equal": "out-of-range",
    "less_than_equal": "out-of-range",
    "too_short": "out-of-range",
    "too_long": "out-of-range",
    "string_too_short": "out-of-range",
    "string_too_long": "out-of-range",
    "string_pattern_mismatch": "invalid-text",
    "literal_error": "unknown-value",
}
_TYPE_NAMES: Final = {
    "int_type": "an integer",
    "string_type": "a string",
    "bool_type": "true or false",
    "list_type": "an array",
    "tuple_type": "an array",
    "dict_type": "an object",
    "model_type": "an object",
}
