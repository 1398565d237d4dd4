"""Proposals: what the allocator asks (design section 6), in their native form and in the seed's.

A record on allocation.proposals.v1 holds exactly one object; its last line feed may be missing. Unlike all
other messages a proposal with an unknown member is invalid, at every level: what is not understood must not
be decided on.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from proofrail.wire.canonical import canonical, parse_object, sha256_hex
from proofrail.wire.errors import InvalidProposalError, MalformedError
from proofrail.wire.model import Absent, AllocationId, ProtocolName, Within, first_fault, validate
from proofrail.wire.topics import MAX_LINE

WHOLE_BPS: Final = 10_000
"""The sum of all shares, in basis points."""

ApyBps = Annotated[int, Within(0, 100_000)]
ShareBps = Annotated[int, Within(0, WHOLE_BPS)]
Risk = Annotated[int, Within(0, 100)]
Percent = Annotated[int, Within(0, 100)]
Liquidity = Annotated[int, Within(0, 3)]

_SEED_MEMBERS: Final = frozenset(
    {"jediswap_risk", "ekubo_risk", "jediswap_apy", "ekubo_apy", "jediswap_pct", "ekubo_pct"}
)


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, use_attribute_docstrings=True)


class Metrics(_Strict):
    """What a protocol's risk is computed from."""

    utilization_bps: ShareBps
    volatility_bps: ShareBps
    liquidity: Liquidity
    """0 high, 1 medium, 2 low, 3 very low."""
    audit_score: Annotated[int, Within(0, 100)]
    age_days: Annotated[int, Within(0, 36_500)]


class Protocol(_Strict):
    """One protocol of a proposal, with `metrics` or a given `risk` or both."""

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [{"required": ["metrics"]}, {"required": ["risk"]}]},
    )

    name: ProtocolName
    apy_bps: ApyBps
    proposed_bps: ShareBps
    metrics: Annotated[Metrics | None, Absent] = None
    risk: Annotated[Risk | None, Absent] = None

    @model_validator(mode="after")
    def _risk_is_known(self) -> Self:
        if self.metrics is None and self.risk is None:
            raise PydanticCustomError("missing-risk", "must have metrics or risk, or both")
        return self


def _two_to_eight(value: Any) -> Any:
    if isinstance(value, list | tuple) and not 2 <= len(value) <= 8:
        raise PydanticCustomError(
            "out-of-range", "must hold 2 … 8 protocols, not {count}", {"count": len(value)}
        )
    return value


class Limits(_Strict):
    """The limits a proposal is held to. The defaults of the last three never trigger."""

    max_single_bps: Annotated[int, Within(1, WHOLE_BPS)] = 6000
    min_diversification: Annotated[int, Within(1, 8)] = 2
    max_deviation_bps: ShareBps = 10_000
    max_volatility_bps: ShareBps = 10_000
    min_liquidity: Liquidity = 3


class Proposal(_Strict):
    """A valid proposal, absent limits filled in. Shares are in basis points and add up to 10,000."""

    v: Literal[1]
    type: Literal["AllocationProposal"]
    allocation_id: AllocationId
    protocols: Annotated[
        tuple[Protocol, ...], Field(min_length=2, max_length=8, strict=False), BeforeValidator(_two_to_eight)
    ]
    limits: Limits = Limits()

    @model_validator(mode="after")
    def _shares_and_names(self) -> Self:
        names = [protocol.name for protocol in self.protocols]
        for position, name in enumerate(names):
            if name in names[:position]:
                raise PydanticCustomError(
                    "duplicate-protocol",
                    "{name} stands twice; names must differ",
                    {"member": f"protocols[{position}].name", "name": name},
                )
        total = sum(protocol.proposed_bps for protocol in self.protocols)
        if total != WHOLE_BPS:
            raise PydanticCustomError(
                "shares-sum",
                "proposed_bps add up to {total}, not to 10000",
                {"member": "protocols", "total": total},
            )
        return self

    def normal_form(self) -> dict[str, Any]:
        """The proposal as the risk engine's input (design section 5, Inputs): all five limits, absent
        `metrics` or `risk` absent."""
        return self.model_dump(exclude_none=True, mode="json")

    def digest(self) -> str:
        """`proposal_sha256`: SHA-256 of the canonical normal form, as hex. Equal for proposals that mean
        the same."""
        return sha256_hex(canonical(self.normal_form()))


class SeedProposal(_Strict):
    """The seed's form: two protocols, risks given, APYs in basis points, shares in percent."""

    v: Literal[1] = 1
    type: Literal["AllocationProposal"] = "AllocationProposal"
    allocation_id: AllocationId
    jediswap_risk: Risk
    ekubo_risk: Risk
    jediswap_apy: ApyBps
    ekubo_apy: ApyBps
    jediswap_pct: Percent
    ekubo_pct: Percent

    @model_validator(mode="after")
    def _shares(self) -> Self:
        total = self.jediswap_pct + self.ekubo_pct
        if total != 100:
            raise PydanticCustomError(
                "shares-sum",
                "with jediswap_pct adds up to {total}, not to 100",
                {"member": "ekubo_pct", "total": total},
            )
        return self

    def native(self) -> Proposal:
        """The same proposal in native form: the one place where percent become basis points."""

        def protocol(name: str, apy: int, risk: int, percent: int) -> Protocol:
            return Protocol(name=name, apy_bps=apy, proposed_bps=percent * 100, risk=risk)

        return Proposal(
            v=1,
            type="AllocationProposal",
            allocation_id=self.allocation_id,
            protocols=(
                protocol("jediswap", self.jediswap_apy, self.jediswap_risk, self.jediswap_pct),
                protocol("ekubo", self.ekubo_apy, self.ekubo_risk, self.ekubo_pct),
            ),
        )


def parse_proposal(value: bytes | None) -> Proposal:
    """The proposal in a record's value.

    Raises InvalidProposalError; its message names the culprit and what is allowed, `context["member"]`
    holds the member's path where there is one. Codes: `proposal-too-large` (above 64 KiB),
    `proposal-empty`, `proposal-not-one-object` (several lines), `proposal-malformed-…` (bytes that break
    the wire format, with the codes of `parse_object`), `proposal-unknown-version`, `proposal-unknown-type`,
    `proposal-unknown-member`, `proposal-missing-member`, `proposal-wrong-type`, `proposal-out-of-range`,
    `proposal-invalid-text`, `proposal-missing-risk`, `proposal-duplicate-protocol`, `proposal-shares-sum`.
    """
    if not value or not value.strip():
        raise InvalidProposalError("proposal-empty", "the record holds no object", _NEXT_STEP)
    line = value.removesuffix(b"\n")
    if len(line) > MAX_LINE:
        raise InvalidProposalError(
            "proposal-too-large",
            f"the record holds {len(line)} bytes; a proposal has at most {MAX_LINE}",
            _NEXT_STEP,
            size=len(line),
        )
    if b"\n" in line:
        raise InvalidProposalError(
            "proposal-not-one-object",
            f"the record holds {line.count(10) + 1} lines; a record holds exactly one object, on one line",
            "Publish each proposal as a record of its own, without line breaks inside",
        )
    try:
        obj = parse_object(line)
    except MalformedError as error:
        raise InvalidProposalError(
            f"proposal-{error.code}", error.message, error.next_step or _NEXT_STEP, **error.context
        ) from error
    return _from_object(obj)


def _from_object(obj: dict[str, Any]) -> Proposal:
    seed = "protocols" not in obj and not _SEED_MEMBERS.isdisjoint(obj)
    for member, expected in (("v", 1), ("type", "AllocationProposal")):
        found = obj.get(member, expected)
        if found != expected or isinstance(found, bool):
            name = "version" if member == "v" else member
            raise InvalidProposalError(
                f"proposal-unknown-{name}",
                f"{member} is {str(found)!r:.40}; this reader knows {expected!r}",
                _NEXT_STEP,
                member=member,
            )
    try:
        return validate(SeedProposal, obj).native() if seed else validate(Proposal, obj)
    except ValidationError as error:
        kind, path, message = first_fault(error)
        raise InvalidProposalError(
            f"proposal-{kind}", f"{path}: {message}", _NEXT_STEP, member=path
        ) from error


_NEXT_STEP: Final = (
    "Correct it and publish it again; schemas/AllocationProposal.schema.json describes a proposal"
)
