"""Presets of the on-chain registry: with which of its settings it would verify a Stone proof, or why with none.

Source: the registry's verifier (reference on Cairo and Stone, sections 8, 12, 13). It takes the settings from whoever
calls it and demands no least security: that a proof fits a preset says nothing of how strong it is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

from proofrail.proving import identities
from proofrail.proving.errors import PolicyError
from proofrail.proving.stone.fri import check_fri
from proofrail.proving.stone.hashes import REGISTRY_HASHERS, Hashes
from proofrail.proving.stone.layouts import LAYOUTS, Layout, layout_named, log_steps
from proofrail.proving.stone.parameters import StoneParameters
from proofrail.proving.stone.proof import StoneProof
from proofrail.proving.stone.uses import CELLS, STEPS_PER_USE
from proofrail.wire.canonical import felt_hex, parse_felt
from proofrail.wire.errors import MalformedError, UnusableInputError

STONE_VERSIONS: Final = ("stone5", "stone6")
MEMORY_VERIFICATIONS: Final = ("strict", "relaxed", "cairo1")
"""How much of the public memory the registry looks at, most first."""

PRESET_MEMBERS: Final = (
    "preset",
    "layout",
    "hasher",
    "stone_version",
    "memory_verification",
    "config_hash",
    "verification_hash",
    "no_preset",
)
"""The members of a Proof's `identities` that `members` may give."""

_HASHERS: Final[Mapping[str, tuple[str, ...]]] = {
    # stone5 truncates Blake to 160 bits, for which the registry has a name and no verifier.
    "stone5": ("keccak_160_lsb",),
    "stone6": tuple(REGISTRY_HASHERS),
}
_POW_BITS: Final = range(20, 50)
_MAX_ADDRESS: Final = (1 << 32) - 1

_AP_PLUS: Final = 0x40780017FFF7FFF
_CALL: Final = 0x1104800180018000
_JUMP: Final = 0x10780017FFF7FFF
_FIRST_CALL: Final = 6
"""Words with which every program in proof mode begins."""

_STEPS_PER_USE: Final = {name: ratios for name, ratios in STEPS_PER_USE.items() if LAYOUTS[name].on_chain}


@dataclass(frozen=True)
class Preset:
    """One set of the registry's settings, by its own names."""

    layout: str
    hasher: str
    stone_version: str
    memory_verification: str

    @property
    def name(self) -> str:
        """Such as `recursive/keccak_160_lsb/stone6/strict`."""
        return "/".join(vars(self).values())

    @property
    def config_hash(self) -> int:
        return identities.config_hash(**vars(self))

    def verification_hash(self, fact: int, bits: int) -> int:
        """See `proofrail.proving.identities.verification_hash`."""
        return identities.verification_hash(fact, self.config_hash, bits)


PRESETS: Final[Mapping[str, Preset]] = {
    preset.name: preset
    for version, hashers in _HASHERS.items()
    for layout, hasher, memory in product(_STEPS_PER_USE, hashers, MEMORY_VERIFICATIONS)
    for preset in [Preset(layout, hasher, version, memory)]
}
"""By name: the layouts that are offered, the hashers with which Stone proves, and the registry's other settings."""


def preset_named(name: str) -> Preset:
    """Raises UnusableInputError `preset-unknown`."""
    try:
        return PRESETS[name]
    except KeyError:
        raise UnusableInputError(
            "preset-unknown",
            f"the registry has no preset {name!r:.120} that Stone proves with",
            "Name layout/hasher/stone version/memory verification, such as recursive/keccak_160_lsb/stone6/strict.",
        ) from None


def presets_of(listed: str, layouts: Collection[str]) -> tuple[Preset, ...]:
    """The presets in a setting, separated by white space, for proofs of runs in these layouts. Raises
    UnusableInputError `preset-unknown`, `preset-of-another-layout`."""
    found = tuple(map(preset_named, listed.split()))
    strange = [preset.name for preset in found if preset.layout not in layouts]
    if strange:
        raise UnusableInputError(
            "preset-of-another-layout",
            f"no run in layout {' or '.join(layouts)} has a proof that fits {strange[0]}",
            f"Name presets that begin with {' or '.join(f'{layout}/' for layout in layouts)}.",
        )
    return found


def check_strong(presets: Sequence[Preset], bits: int) -> None:
    """Refuses presets for which a registry counts so many bits of proofs that have fewer: it counts queries and work,
    and takes trees of digests as short as the hasher allows. Raises UnusableInputError `preset-weak`."""
    for preset in presets:
        most = REGISTRY_HASHERS[preset.hasher].collision_bits
        if most < bits:
            raise UnusableInputError(
                "preset-weak",
                f"a registry counts {bits} bits of proofs for {preset.name} whose digests give {most}",
                f"Name presets with longer digests, or ask for {most} bits.",
            )


def names_of(presets: Sequence[Preset]) -> Collection[str] | None:
    """A policy's `presets`: None, which allows everything, for none."""
    return [preset.name for preset in presets] or None


def presets_passing(memory_verification: str) -> frozenset[str]:
    """Names of the presets whose proofs pass this memory verification: its own, and those of stricter ones."""
    passing = MEMORY_VERIFICATIONS[: MEMORY_VERIFICATIONS.index(memory_verification) + 1]
    return frozenset(name for name, preset in PRESETS.items() if preset.memory_verification in passing)


def fit(read: StoneProof, stone_version: str) -> Preset:
    """The preset with which the registry would verify the proof, with the strictest memory verification it passes.

    `stone_version`: of the Stone whose verifier accepts the proof, which its bytes do not tell. Raises PolicyError:
    `preset-layout`, `preset-hasher`, `preset-channel`, `preset-page-hash`, `preset-pow`, `preset-fri`,
    `preset-range-check`, `preset-pages`, `preset-uses`, `preset-stone`, and what strict verification refuses when no
    other passes either: `preset-states`, `preset-program`, `preset-main-page`.
    """
    hasher, memory = settings(read.parameters, read.public_input)
    if hasher not in _HASHERS.get(stone_version, ()):
        raise PolicyError("preset-stone", f"{stone_version} makes no proofs for the registry's {hasher}")
    return Preset(read.layout.name, hasher, stone_version, memory)


def check_allowed(
    parameters: StoneParameters, public_input: Mapping[str, Any], allowed: Collection[str]
) -> None:
    """Refuses a proof that fits none of the presets named, whatever Stone makes it: what can be said before there is
    a proof, or a verifier is asked. Raises as `fit`, and PolicyError `policy-preset`."""
    hasher, memory = settings(parameters, public_input)
    possible = {Preset(public_input["layout"], hasher, version, memory).name for version in STONE_VERSIONS}
    if possible.isdisjoint(allowed):
        raise PolicyError(
            "policy-preset",
            f"the registry's presets {' and '.join(sorted(possible))} are not allowed, only "
            f"{', '.join(sorted(allowed))}",
        )


def members(read: StoneProof, stone_version: str) -> dict[str, str]:
    """Members of a Proof's `identities`: `stone_version`; of the preset that the proof fits the name as `preset`, its
    settings, `config_hash` and `verification_hash`; `no_preset`, the code of the refusal, where it fits none."""
    try:
        preset = fit(read, stone_version)
    except PolicyError as error:
        return {"stone_version": stone_version, "no_preset": error.code}
    program, output = _CHECKS[preset.memory_verification](_Memory.of(read.public_input, read.layout))
    fact = identities.fact_hash(identities.program_hash(program), identities.output_hash(output))
    return {
        "preset": preset.name,
        **vars(preset),
        "config_hash": felt_hex(preset.config_hash),
        "verification_hash": felt_hex(preset.verification_hash(fact, read.parameters.query_bits)),
    }


def settings(parameters: StoneParameters, public_input: Mapping[str, Any]) -> tuple[str, str]:
    """What `fit` finds without the version of Stone, of a proof that need not be made yet: hasher and memory
    verification. Raises as `fit`."""
    layout = layout_named(public_input["layout"])
    hasher = _check_parameters(parameters, layout, log_steps(layout, public_input["n_steps"]))
    return hasher, _memory_verification(public_input, layout)


def _check_parameters(parameters: StoneParameters, layout: Layout, log_n_steps: int) -> str:
    if not layout.on_chain or layout.name not in _STEPS_PER_USE:
        raise PolicyError("preset-layout", f"the registry has no verifier for layout {layout.name}")
    hasher = _hasher(parameters.hashes)
    if parameters.pow_bits not in _POW_BITS:
        raise PolicyError(
            "preset-pow",
            f"the registry takes {_POW_BITS[0]} to {_POW_BITS[-1]} bits of proof of work, not {parameters.pow_bits}",
        )
    try:
        check_fri(parameters.fri_step_list, parameters.log_last_layer, log_n_steps)
    except PolicyError as error:
        raise PolicyError("preset-fri", error.message) from error
    return hasher


def _hasher(hashes: Hashes) -> str:
    if (hashes.channel, hashes.friendly, hashes.friendly_channel_updates) != ("poseidon3", "poseidon3", True):
        raise PolicyError(
            "preset-channel",
            f"the registry's channel and top layers hash with poseidon3, the proof's with {hashes.channel} and "
            f"{hashes.friendly or hashes.commitment}, channel updates {hashes.friendly_channel_updates}",
        )
    if hashes.page != "pedersen":
        raise PolicyError("preset-page-hash", f"the registry hashes pages with pedersen, not {hashes.page}")
    for name, known in REGISTRY_HASHERS.items():
        if (hashes.commitment, hashes.pow) == (known.commitment, known.pow):
            return name
    raise PolicyError(
        "preset-hasher",
        f"the registry has no hasher {hashes.commitment} with proof of work by {hashes.pow}",
        f"Choose one of {', '.join(REGISTRY_HASHERS)}.",
    )


_Fact = tuple[list[int], list[int]]
"""What the registry takes for program and output."""


@dataclass(frozen=True)
class _Memory:
    """The public memory, its cells in their order, and the segments of the layout: (begin, end) by name."""

    cells: Sequence[tuple[int, int]]
    segments: Mapping[str, tuple[int, int]]
    builtins: Sequence[str]

    @classmethod
    def of(cls, public: Mapping[str, Any], layout: Layout) -> _Memory:
        try:
            cells = [_cell(cell) for cell in public["public_memory"]]
            places = public["memory_segments"]
            segments = {name: _place(places[name]) for name in ("program", "execution", *layout.builtins)}
        except (KeyError, TypeError, MalformedError) as error:
            raise PolicyError("preset-main-page", f"the public memory cannot be read: {error}") from error
        return cls(cells, segments, layout.builtins)

    @property
    def output(self) -> range:
        return range(*self.segments["output"])

    def values(self, addresses: range, offset: int, what: str) -> list[int]:
        """The values of the cells from `offset` on, which must be those of the addresses."""
        found = self.cells[offset : offset + len(addresses)]
        if [address for address, _ in found] != list(addresses[: len(found)]) or len(found) != len(addresses):
            raise PolicyError("preset-main-page", f"the public memory does not hold {what} where it belongs")
        return [value for _, value in found]


def _cell(cell: Any) -> tuple[int, int]:
    if cell["page"] != 0:
        raise PolicyError("preset-pages", "the registry takes no continuous pages")
    return _address(cell["address"]), parse_felt(cell["value"])


def _place(place: Any) -> tuple[int, int]:
    return _address(place["begin_addr"]), _address(place["stop_ptr"])


def _address(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= _MAX_ADDRESS:
        raise PolicyError("preset-main-page", f"{value!r:.40} is no address of the registry's memory")
    return value


def _memory_verification(public: Mapping[str, Any], layout: Layout) -> str:
    if public["rc_min"] >= public["rc_max"]:
        raise PolicyError("preset-range-check", "the registry's range check takes at least two values")
    memory = _Memory.of(public, layout)
    _check_uses(memory, layout.name, public["n_steps"])
    first: PolicyError | None = None
    for name in MEMORY_VERIFICATIONS:
        try:
            _CHECKS[name](memory)
        except PolicyError as error:
            first = first or error
        else:
            return name
    raise first or PolicyError("preset-main-page", "no verification of the memory is known")


def _check_uses(memory: _Memory, layout: str, n_steps: int) -> None:
    for name, steps in _STEPS_PER_USE[layout].items():
        begin, end = memory.segments[name]
        uses, part = divmod(end - begin, CELLS[name])
        if part or not 0 <= uses <= n_steps // steps:
            raise PolicyError(
                "preset-uses",
                f"the segment of {name} goes from {begin} to {end}, the layout has room for {n_steps // steps} uses "
                f"of {CELLS[name]} cells",
            )
    for name in ("execution", "output"):
        begin, end = memory.segments[name]
        if begin > end:
            raise PolicyError("preset-uses", f"the segment {name} ends at {end}, before its begin {begin}")


def _check_strict(memory: _Memory) -> _Fact:
    begin, end = memory.segments["execution"]
    program = memory.segments["program"]
    count = len(memory.builtins)
    if program != (1, 5):
        raise PolicyError(
            "preset-states", f"the run went from pc {program[0]} to {program[1]}, the registry takes 1 to 5"
        )
    if begin < _FIRST_CALL + 3:
        raise PolicyError("preset-program", f"a program of {max(begin - 3, 0)} words has no first call")
    words = memory.values(range(1, begin - 2), 0, "the program")
    if words[:3] != [_AP_PLUS, count, _CALL] or words[4:6] != [_JUMP, 0]:
        raise PolicyError(
            "preset-program",
            f"the program does not begin as one with all {count} builtins of the layout does: "
            f"{', '.join(map(felt_hex, words[:6]))}",
            f"Compile it in proof mode with %builtins {' '.join(memory.builtins)}.",
        )
    due = [(begin - 2, begin), (begin - 1, 0)]
    due += [(begin + index, memory.segments[name][0]) for index, name in enumerate(memory.builtins)]
    due += [(end - count + index, memory.segments[name][1]) for index, name in enumerate(memory.builtins)]
    behind = len(words) + len(due)
    output = memory.values(memory.output, behind, "the output")
    if list(memory.cells[len(words) : behind]) != due or len(memory.cells) != behind + len(output):
        raise PolicyError(
            "preset-main-page",
            "the public memory is not the program, the first call frame, all builtins' pointers and the output",
        )
    return words, output


def _check_relaxed(memory: _Memory) -> _Fact:
    places = range(memory.segments["program"][0], memory.segments["execution"][0] - 2)
    program = memory.values(places, 0, "the program")
    behind = range(len(program), len(memory.cells))
    start = next((index for index in behind if memory.cells[index][0] >= memory.output.start), None)
    if start is None:
        raise PolicyError("preset-main-page", "the public memory ends before the output")
    return program, memory.values(memory.output, start, "the output")


def _check_cairo1(memory: _Memory) -> _Fact:
    if memory.segments["program"][0] != 1:
        raise PolicyError("preset-states", "the run does not begin at pc 1")
    # The registry takes any cells: the last for the output, all others for the program. They are that only here.
    count = len(memory.cells) - len(memory.output)
    if not 0 < count < memory.segments["execution"][0] - 2:
        raise PolicyError("preset-main-page", "the public memory is not a program and then the output")
    program = memory.values(range(1, count + 1), 0, "the program")
    return program, memory.values(memory.output, count, "the output")


_CHECKS: Final[Mapping[str, Callable[[_Memory], _Fact]]] = {
    "strict": _check_strict,
    "relaxed": _check_relaxed,
    "cairo1": _check_cairo1,
}
