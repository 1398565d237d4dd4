"""The registry's presets: which one a proof fits, what the registry refuses it for, and the hashes of its settings."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from assembled import CALL, JUMP, PUSH, RET, P
from hypothesis import given
from hypothesis import strategies as st

from proofrail import _native
from proofrail.proving import backends, identities
from proofrail.proving.errors import PolicyError
from proofrail.proving.policy import Policy
from proofrail.proving.statement import TracedRun
from proofrail.proving.stone import presets, version
from proofrail.proving.stone.backend import StoneBackend
from proofrail.proving.stone.hashes import LOCAL, REGISTRY_HASHERS, Hashes
from proofrail.proving.stone.layouts import LAYOUTS
from proofrail.proving.stone.parameters import StoneParameters
from proofrail.proving.stone.presets import PRESETS, Preset, preset_named
from proofrail.proving.stone.proof import StoneProof
from proofrail.wire.canonical import felt_hex
from proofrail.wire.errors import UnusableInputError

KECCAK = REGISTRY_HASHERS["keccak_160_lsb"]
ON_CHAIN = [name for name, layout in LAYOUTS.items() if layout.on_chain]

# Reference on Cairo and Stone, section 12: the settings of the example, its fact, and the hashes by its bits.
EXAMPLE = Preset("recursive", "keccak_160_lsb", "stone5", "strict")
EXAMPLE_FACT = 0x32FC402A33E11316A8BE5FBC6094E388BF2804969753715BCBC9B783B1E1156
EXAMPLE_CONFIG = 0x5913842503C5193ABCA5831861CB38914730E9320077E703D6D3986AF7C0DCF
EXAMPLE_VERIFICATIONS = {
    50: 0x571F758BE98A1824EDAAB35F9A3B4EB1F884A3C2479C22BF2250D39BB9851AB,
    60: 0x422979375DC3ACB413B195ACAB99F374566C3ED22222F9B8E307F190AA19F54,
}


def _compiled(builtins: Sequence[str]) -> bytes:
    """A program that writes 10 to the output, where it has one, and gives its builtins' pointers back."""
    at = {name: 0x8000 - 2 - len(builtins) + index for index, name in enumerate(builtins)}
    main: list[int] = []
    if "output" in builtins:
        # [ap] = 10, ap++; [[fp + at]] = [ap - 1]
        main += [PUSH, 10, 0x4002 << 48 | 0x8000 << 32 | at["output"] << 16 | 0x7FFF]
    for name in builtins:
        if name == "output":
            main += [0x4826 << 48 | 0x8001 << 32 | at[name] << 16 | 0x8000, 1]  # [ap] = [fp + at] + 1, ap++
        else:
            main += [0x480A << 48 | at[name] << 32 | 0x7FFF << 16 | 0x8000]  # [ap] = [fp + at], ap++
    words = [0x40780017FFF7FFF, len(builtins), CALL, 4, JUMP, 0, *main, RET]
    identifiers = {
        "__main__.__start__": {"pc": 0, "type": "label"},
        "__main__.__end__": {"pc": 4, "type": "label"},
        "__main__.main": {"decorators": [], "pc": 6, "type": "function"},
        "__main__.main.Args": {"full_name": "__main__.main.Args", "members": {}, "size": 0, "type": "struct"},
        "__main__.main.Return": {"cairo_type": "()", "type": "type_definition"},
    }
    return json.dumps(
        {
            "attributes": [],
            "builtins": list(builtins),
            "compiler_version": "0.14.0.1",
            "data": [hex(word) for word in words],
            "debug_info": None,
            "hints": {},
            "identifiers": identifiers,
            "main_scope": "__main__",
            "prime": hex(P),
            "reference_manager": {"references": []},
        }
    ).encode()


@cache
def _run(layout: str, builtins: tuple[str, ...]) -> str:
    run = _native.Program(_compiled(builtins)).run(b"{}", layout, 1 << 15)
    assert run.error is None
    return run.public_input()


def _proof(
    layout: str = "small",
    builtins: Sequence[str] | None = None,
    hashes: Hashes = KECCAK,
    **parameters: int,
) -> StoneProof:
    """A proof as far as a preset depends on it: nothing is proven."""
    found = LAYOUTS[layout]
    public = json.loads(_run(layout, tuple(found.builtins if builtins is None else builtins)))
    log_steps = public["n_steps"].bit_length() - 1
    chosen = {"log_last_layer": 6, "n_queries": 10, "log_n_cosets": 2, "pow_bits": 30} | parameters
    derived = StoneParameters.derived(log_steps, hashes=hashes, **chosen)
    return StoneProof(b"", derived, public, found, log_steps)


def _with(proof: StoneProof, **public: Any) -> StoneProof:
    return dataclasses.replace(proof, public_input={**proof.public_input, **public})


def _refused(proof: StoneProof, version: str = "stone6") -> str:
    with pytest.raises(PolicyError) as refused:
        presets.fit(proof, version)
    return refused.value.code


def test_hashes_of_the_published_example() -> None:
    """config_hash and verification_hash equal those of the reference, at both of its levels of security."""
    assert EXAMPLE_CONFIG == EXAMPLE.config_hash
    assert EXAMPLE_VERIFICATIONS == {
        bits: EXAMPLE.verification_hash(EXAMPLE_FACT, bits) for bits in EXAMPLE_VERIFICATIONS
    }


@pytest.mark.parametrize("layout", ON_CHAIN)
@pytest.mark.parametrize("hasher", REGISTRY_HASHERS)
def test_a_program_with_all_builtins_fits_strictly(layout: str, hasher: str) -> None:
    """In each layout and with each hasher that goes on chain: the name says all four settings."""
    fitting = presets.fit(_proof(layout, hashes=REGISTRY_HASHERS[hasher]), "stone6")
    assert f"{layout}/{hasher}/stone6/strict" == fitting.name
    assert fitting == preset_named(fitting.name)


def test_a_program_without_some_builtins_fits_only_relaxed() -> None:
    """The registry's strict verification demands all builtins of the layout of main."""
    assert (
        "small/keccak_160_lsb/stone5/relaxed"
        == presets.fit(_proof(builtins=("output", "range_check")), "stone5").name
    )


def test_a_program_without_output_fits_only_with_all_builtins() -> None:
    """Relaxed verification looks for a cell at or behind the output, which an empty one lacks."""
    assert "preset-program" == _refused(_proof(builtins=("range_check",)))


def test_public_memory_as_cairo_1_leaves_it_fits_cairo1() -> None:
    """The program, nothing of the stack, and the output at the end."""
    proof = _proof()
    execution = proof.public_input["memory_segments"]["execution"]["begin_addr"]
    output = proof.public_input["memory_segments"]["output"]
    cells = [
        cell
        for cell in proof.public_input["public_memory"]
        if cell["address"] < execution - 5 or output["begin_addr"] <= cell["address"] < output["stop_ptr"]
    ]
    members = presets.members(_with(proof, public_memory=cells), "stone6")
    assert "small/keccak_160_lsb/stone6/cairo1" == members["preset"]
    program = identities.program_hash([int(cell["value"], 16) for cell in cells[:-1]])
    fact = identities.fact_hash(program, identities.output_hash([10]))
    due = preset_named(members["preset"]).verification_hash(fact, 50)
    assert felt_hex(due) == members["verification_hash"]


@pytest.mark.parametrize(
    ("code", "hashes"),
    [
        ("preset-channel", LOCAL),
        ("preset-channel", dataclasses.replace(KECCAK, channel="keccak256")),
        ("preset-channel", dataclasses.replace(KECCAK, friendly=None)),
        ("preset-channel", dataclasses.replace(KECCAK, friendly_channel_updates=False)),
        ("preset-page-hash", dataclasses.replace(KECCAK, page="keccak256")),
        ("preset-hasher", dataclasses.replace(KECCAK, commitment="keccak256")),
        ("preset-hasher", dataclasses.replace(KECCAK, pow="blake256")),
    ],
)
def test_other_hashes_than_the_registrys_are_named(code: str, hashes: Hashes) -> None:
    """Each hash that the registry fixes has its own code."""
    assert code == _refused(_proof(hashes=hashes))


@pytest.mark.parametrize(
    ("code", "parameters"),
    [
        ("preset-pow", {"pow_bits": 19}),
        ("preset-pow", {"pow_bits": 50}),
        ("preset-fri", {"fri_step_list": (0, 4, 4)}),
        ("preset-fri", {"fri_step_list": (1, 4, 2)}),
    ],
)
def test_parameters_beyond_the_registrys_limits_are_named(code: str, parameters: dict[str, Any]) -> None:
    """Proof of work and FRI, one beyond each bound."""
    proof = _proof()
    assert code == _refused(
        dataclasses.replace(proof, parameters=dataclasses.replace(proof.parameters, **parameters))
    )


def test_the_bounds_of_the_proof_of_work_are_the_registrys() -> None:
    """20 and 49 bits are taken."""
    assert ["small/keccak_160_lsb/stone6/strict"] * 2 == [
        presets.fit(_proof(pow_bits=bits), "stone6").name for bits in (20, 49)
    ]


def test_a_layout_without_a_verifier_is_named() -> None:
    """Nobody deployed one for plain."""
    assert "preset-layout" == _refused(_with(_proof(), layout="plain"))


def test_stone5_has_no_hasher_of_248_bits() -> None:
    """v2 truncates Blake to 160 bits, and the registry's name for that means 248."""
    proof = _proof(hashes=REGISTRY_HASHERS["blake2s_248_lsb"])
    assert "preset-stone" == _refused(proof, "stone5")
    assert "preset-stone" == _refused(proof, "stone7")


def _cells(proof: StoneProof, change: Any) -> StoneProof:
    cells = [dict(cell) for cell in proof.public_input["public_memory"]]
    change(cells)
    return _with(proof, public_memory=cells)


def test_public_memory_the_registry_does_not_take_is_named() -> None:
    """Pages, values that cannot be read, cells that lack: no memory verification remains, the strict one is named."""
    proof = _proof()
    assert "preset-pages" == _refused(_cells(proof, lambda cells: cells[3].update(page=1)))
    assert "preset-main-page" == _refused(_cells(proof, lambda cells: cells[3].update(value="0xFF")))
    assert "preset-main-page" == _refused(_with(proof, memory_segments={}))
    assert "preset-main-page" == _refused(_cells(proof, lambda cells: cells.pop()))
    assert "preset-range-check" == _refused(_with(proof, rc_min=9, rc_max=9))


_JUNK = (
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=3) | st.just([]) | st.just({})
)
_CELL = st.fixed_dictionaries(
    {}, optional={"address": _JUNK, "page": st.just(0) | _JUNK, "value": st.just("0x0") | _JUNK}
)
_PLACE = st.fixed_dictionaries({}, optional={"begin_addr": _JUNK, "stop_ptr": _JUNK})


@given(
    st.one_of(
        st.tuples(st.just("public_memory"), _JUNK | st.lists(_CELL | _JUNK, max_size=3)),
        st.tuples(
            st.just("memory_segments"),
            _JUNK | st.dictionaries(st.sampled_from(["program", "output", "x"]), _PLACE | _JUNK, max_size=3),
        ),
    ),
    st.booleans(),
)
def test_nonsense_in_the_public_memory_fits_nothing(nonsense: tuple[str, Any], added: bool) -> None:
    """Whatever stands there, the answer is a preset or a refusal, never another error."""
    proof = _proof()
    name, value = nonsense
    whole = proof.public_input[name]
    if added and type(value) is type(whole):
        value = [*whole, *value] if isinstance(whole, list) else {**whole, **value}
    altered = _with(proof, **{name: value})
    if value == whole:
        assert "strict" == presets.fit(altered, "stone6").memory_verification
    else:
        assert presets.members(altered, "stone6")["stone_version"] == "stone6"


def test_what_strict_verification_looks_at_makes_it_relaxed() -> None:
    """The program's first words, the stack and the end of the run are of no interest to the relaxed one."""
    proof = _proof()
    stack = len(proof.statement.words)
    moved = {**proof.public_input["memory_segments"], "program": {"begin_addr": 1, "stop_ptr": 7}}
    for altered in (
        _cells(proof, lambda cells: cells[1].update(value="0x3")),
        _cells(proof, lambda cells: cells[2].update(value="0x1")),
        _cells(proof, lambda cells: cells[5].update(value="0x1")),
        _cells(proof, lambda cells: cells[stack].update(value="0x0")),
        _cells(proof, lambda cells: cells[stack + 1].update(value="0x1")),
        _cells(proof, lambda cells: cells[stack + 2].update(value="0x0")),
        _cells(proof, lambda cells: cells.pop(stack + 4)),
        _with(proof, memory_segments=moved),
    ):
        assert "relaxed" == presets.fit(altered, "stone6").memory_verification


@pytest.mark.parametrize(
    ("name", "end"), [("pedersen", 1), ("pedersen", 3 * 65), ("range_check", 65), ("ecdsa", 4)]
)
def test_segments_that_do_not_fit_the_layout_are_named(name: str, end: int) -> None:
    """A part of a use, and one use more than 512 steps have room for."""
    proof = _proof()
    segments = dict(proof.public_input["memory_segments"])
    begin = segments[name]["begin_addr"]
    segments[name] = {"begin_addr": begin, "stop_ptr": begin + end}
    assert "preset-uses" == _refused(_with(proof, memory_segments=segments))


def test_a_segment_of_any_size_costs_nothing_to_refuse() -> None:
    """An output of four thousand million cells is looked for in the cells that there are."""
    proof = _proof()
    for end, code in ((2**32 - 1, "preset-main-page"), (2**32, "preset-main-page"), (0, "preset-uses")):
        segments = dict(proof.public_input["memory_segments"])
        segments["output"] = {**segments["output"], "stop_ptr": end}
        assert code == _refused(_with(proof, memory_segments=segments))


def test_members_of_a_proof_are_those_of_its_preset() -> None:
    """The security in verification_hash is that of queries and proof of work, above what the hashes give."""
    proof = _proof(n_queries=40)
    assert 80 == proof.parameters.security_bits
    found = presets.members(proof, "stone6")
    preset = PRESETS["small/keccak_160_lsb/stone6/strict"]
    fact = int(proof.statement.identities["fact_hash"], 16)
    assert {
        "preset": preset.name,
        "layout": "small",
        "hasher": "keccak_160_lsb",
        "stone_version": "stone6",
        "memory_verification": "strict",
        "config_hash": felt_hex(preset.config_hash),
        "verification_hash": felt_hex(preset.verification_hash(fact, 110)),
    } == found


def test_a_proof_for_local_use_says_why_it_fits_no_preset() -> None:
    """Its version of Stone, and the code of the refusal."""
    assert {"stone_version": "stone6", "no_preset": "preset-channel"} == presets.members(
        _proof(hashes=LOCAL), "stone6"
    )


def _check_allowed(proof: StoneProof, allowed: Collection[str]) -> None:
    presets.check_allowed(proof.parameters, proof.public_input, allowed)


def test_presets_in_settings_make_proofs_for_the_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stone proves for that goal, to fit one of them; presets of another layout and of stwo are refused."""
    made: list[dict[str, Any]] = []
    monkeypatch.setattr(
        backends, "StoneBackend", type("Stone", (), {"name": "stone", "__init__": _noting(made)})
    )
    strict, relaxed = (f"small/blake2s_248_lsb/stone6/{memory}" for memory in ("strict", "relaxed"))
    listed = presets.presets_of(f" {relaxed}\n{strict} ", ["small", "recursive"])
    assert [relaxed, strict] == presets.names_of(listed)
    backends.make(("stone",), 96, "small", presets=listed)
    backends.make(("stone",), 96, "small", presets=presets.presets_of("", ["small"]))
    chosen = [{name: made_with[name] for name in ("goal", "allowed_presets")} for made_with in made]
    assert [
        {"goal": "chain", "allowed_presets": [relaxed, strict]},
        {"goal": "speed", "allowed_presets": list(PRESETS)},
    ] == chosen
    assert presets.names_of(()) is None
    with pytest.raises(UnusableInputError, match="preset-of-stwo"):
        backends.make(("stone", "stwo"), 96, "small", presets=listed)
    with pytest.raises(UnusableInputError, match="preset-of-another-layout"):
        presets.presets_of(strict, ["recursive"])


def test_a_proof_for_the_chain_has_the_hasher_of_a_preset_that_is_strong_enough() -> None:
    """Of the run's own layout, the first that is named: a digest of 160 bits gives 80 bits of security, and no more.
    Where none is strong enough, that is said."""
    weak, strong = "small/keccak_160_lsb/stone6/strict", "small/blake2s_248_lsb/stone6/strict"
    recursive = "recursive/keccak_160_lsb/stone6/strict"
    traced = TracedRun("small", 16_384, (), (0, 1))
    for bits, named, collisions in (
        (96, [weak, strong], 124),
        (80, [weak, strong], 80),
        (80, [strong, weak], 124),
    ):
        backend = StoneBackend(min_security_bits=bits, goal="chain", allowed_presets=named)
        found = backend._chosen(traced, None)
        assert collisions == REGISTRY_HASHERS[str(found.hasher)].collision_bits
    lacking = StoneBackend(min_security_bits=96, goal="chain", allowed_presets=[weak, recursive])
    with pytest.raises(PolicyError, match="parameters-security"):
        lacking.expected_cost(traced)


def test_a_contract_is_not_to_count_bits_that_digests_do_not_give() -> None:
    """A registry counts queries and work alone: of 160-bit digests it would count 96 bits for a proof of 80."""
    weak, strong = (
        presets.preset_named(f"recursive/{hasher}/stone6/strict")
        for hasher in ("keccak_160_lsb", "blake2s_248_lsb")
    )
    presets.check_strong([strong], 96)
    presets.check_strong([weak, strong], 80)
    with pytest.raises(UnusableInputError, match="preset-weak"):
        presets.check_strong([strong, weak], 96)


def _noting(made: list[dict[str, Any]]) -> Any:
    def note(_self: object, **options: Any) -> None:
        made.append(options)

    return note


def test_a_policy_can_be_restricted_to_presets() -> None:
    """Before the version of Stone is known, and after; what fits none is refused with the reason."""
    strict = Policy(presets=["small/keccak_160_lsb/stone6/strict"])
    assert strict.presets is not None
    _check_allowed(_proof(), strict.presets)
    strict.check_preset("small/keccak_160_lsb/stone6/strict")
    Policy().check_preset(None)
    for refusal, code in (
        (lambda: strict.check_preset("small/keccak_160_lsb/stone5/strict"), "policy-preset"),
        (lambda: strict.check_preset(None), "policy-preset"),
        (
            lambda: _check_allowed(_proof("dex"), ["small/keccak_160_lsb/stone6/strict"]),
            "policy-preset",
        ),
        (lambda: _check_allowed(_proof(hashes=LOCAL), PRESETS), "preset-channel"),
    ):
        with pytest.raises(PolicyError) as refused:
            refusal()
        assert code == refused.value.code


async def test_no_prover_is_started_for_a_proof_that_the_registry_would_refuse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run is executed, its public input looked at, and that is all."""
    started = tmp_path / "started"
    for name, golden in (("PROVER", f'touch "{started}"; cp'), ("VERIFIER", 'cmp -s "$2"')):
        program = tmp_path / name
        source = Path(version.__file__).parent / "golden" / "stone6.json"
        end = "proof.json" if name == "PROVER" else ""
        program.write_text(f'#!/bin/sh\n{golden} "{source}" {end}\n')
        program.chmod(0o755)
        monkeypatch.setenv(f"PROOFRAIL_STONE_{name}", str(program))
    backend = StoneBackend(layout="small", min_security_bits=50, goal="chain")
    backend.preflight()
    started.unlink()
    with pytest.raises(PolicyError, match="preset-program"):
        await backend.prove(_compiled(("range_check",)), b"{}")
    assert not started.exists()


def test_every_preset_is_named_once() -> None:
    """Names say the settings, and no two settings have one config_hash."""
    assert list(PRESETS) == [preset_named(name).name for name in PRESETS]
    assert len(PRESETS) == len({preset.config_hash for preset in PRESETS.values()})
    assert 4 * 3 * 3 == len(PRESETS)


@pytest.mark.parametrize(
    "name", ["", "small", "small/keccak_160_lsb/stone6", "small/blake2s_248_lsb/stone5/strict", "SMALL/x/y/z"]
)
def test_other_names_are_refused(name: str) -> None:
    """A preset with which Stone does not prove is none either."""
    with pytest.raises(UnusableInputError) as refused:
        preset_named(name)
    assert "preset-unknown" == refused.value.code


def test_presets_that_a_memory_verification_passes_are_those_of_stricter_ones_too() -> None:
    """A strict proof may be registered as a relaxed one; nothing else is as good as strict."""
    counts = {name: len(presets.presets_passing(name)) for name in presets.MEMORY_VERIFICATIONS}
    assert {"strict": 12, "relaxed": 24, "cairo1": 36} == counts
