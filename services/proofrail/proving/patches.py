"""Changes to crates of the registry: one without which the prover does not build on a stable compiler, and
three without which most of a batch's witness time goes into inversions and hash maps.

The patched copies are made from cargo's own cache at build time and are never committed. A wrong change can
only make proofs that do not verify. Plain standard library.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Replacement:
    """Exactly one occurrence of `old` in `file` becomes `new`."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Patch:
    """The changes to one release of a crate."""

    crate: str
    version: str
    replacements: tuple[Replacement, ...]

    @property
    def folder(self) -> str:
        return f"{self.crate}-{self.version}"


# The method of the standard library was renamed after the compiler that the crate was made for.
_RENAMED_METHOD = Replacement(file="src/prover_types/simd.rs", old=".to_int()", new=".to_simd()")

# An inversion costs as much as a hundred products: all lanes share one. A zero in any lane panics as before.
_BATCH_DIVISION = Replacement(
    file="src/prover_types/simd.rs",
    old="        let result = std::array::from_fn(|i| lhs[i] / rhs[i]);\n",
    new="""        let mut products = rhs;
        for i in 1..N_LANES {
            products[i] = products[i - 1] * rhs[i];
        }
        let mut inverse = Felt252::from([1, 0, 0, 0]) / products[N_LANES - 1];
        let mut result = lhs;
        for i in (1..N_LANES).rev() {
            result[i] = lhs[i] * (inverse * products[i - 1]);
            inverse = inverse * rhs[i];
        }
        result[0] = lhs[0] * inverse;
""",
)

# A step of a Pedersen hash: the sum of two points, by the formula that the table constrains it with.
_BATCH_POINT_ADDITION = Replacement(
    file="src/witness/fast_deduction/pedersen.rs",
    old="""        let unpacked_inputs = input.unpack();
        <_ as Pack>::pack(unpacked_inputs.map(|(chain, round, state)| {
            PartialEcMul::<NUM_WINDOWS>::deduce_output(chain, round, state)
        }))
""",
    new="""        let (chain, round, (windows, [x1, y1])) = input;
        let window_bits = 252 / NUM_WINDOWS;
        let row = round * PackedM31::broadcast(M31::from(1u32 << window_bits)) + windows[0];
        let [x2, y2] = match window_bits {
            9 => PackedPedersenPointsTableWindowBits9::deduce_output([row]),
            18 => PackedPedersenPointsTableWindowBits18::deduce_output([row]),
            _ => panic!("Unsupported window_bits value {window_bits}"),
        };
        let slope = (y2 - y1) / (x2 - x1);
        let x3 = slope * slope - x1 - x2;
        let y3 = slope * (x1 - x3) - y1;
        let shifted = from_fn(|i| windows.get(i + 1).copied().unwrap_or(PackedM31::zero()));
        (chain, round + PackedM31::one(), (shifted, [x3, y3]))
""",
)

# Twelve lookups of pairs of 9-bit limbs for each step of a hash: the table's rows count the pairs up, so no
# hash map is needed to find one.
_DIRECT_ROW = Replacement(
    file="src/witness/components/range_check_9_9.rs",
    old="""                self.mults[relation_index].increase_at(
                    (*self.input_to_row.get(&input).unwrap())
                        .try_into()
                        .unwrap(),
                );
""",
    new="""                let [high, low] = input.map(|limb| limb.0);
                assert!(high < 512 && low < 512);
                self.mults[relation_index].increase_at((high << 9) | low);
""",
)

PATCHES = (
    Patch("stwo-cairo-common", "1.3.0", (_RENAMED_METHOD, _BATCH_DIVISION)),
    Patch("stwo-cairo-prover", "1.3.0", (_BATCH_POINT_ADDITION, _DIRECT_ROW)),
)


class PatchError(Exception):
    """The crate's source is not what the patch was made for."""


def apply(patch: Patch, source: Path, destination: Path) -> Path:
    """Makes `destination/<crate>-<version>` from the crate's `source` folder; returns its path.

    Raises PatchError when a text to replace is not there exactly once.
    """
    target = destination / patch.folder
    files = _patched_files(patch, source)
    if all(_holds(target / name, text) for name, text in files.items()):
        # Leaving an unchanged copy alone keeps cargo from compiling it again.
        return target
    scratch = destination / f".{patch.folder}.part"
    shutil.rmtree(scratch, ignore_errors=True)
    shutil.copytree(source, scratch)
    for name, text in files.items():
        (scratch / name).write_text(text, encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    scratch.rename(target)
    return target


def _patched_files(patch: Patch, source: Path) -> dict[str, str]:
    files: dict[str, str] = {}
    for replacement in patch.replacements:
        name = replacement.file
        try:
            text = files.get(name) or (source / name).read_text(encoding="utf-8")
        except OSError as error:
            raise PatchError(f"{patch.crate} {patch.version} has no file {name}: {error}") from error
        count = text.count(replacement.old)
        if count != 1:
            raise PatchError(
                f"{patch.crate} {patch.version}: {replacement.old.strip()[:60]!r} stands {count} times in "
                f"{name}, not once"
            )
        files[name] = text.replace(replacement.old, replacement.new)
    return files


def _holds(file: Path, text: str) -> bool:
    return file.is_file() and file.read_text(encoding="utf-8") == text
