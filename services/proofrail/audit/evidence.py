"""Evidence of a mismatch that a third party can check (schemas/trace-v1.md section "Evidence").

A bundle never says more than what is signed: what stands under the tracer's checkpoint is shown to stand there,
and what does not is said to be the auditor's word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Final

from proofrail.audit.claims import Claims
from proofrail.audit.evidence_raw import shown_fault
from proofrail.audit.evidence_trees import Hashes, Heads, Lines, LoggedTree, heads_of
from proofrail.audit.findings import Finding
from proofrail.audit.raw import Buffer
from proofrail.audit.subject import Recomputed
from proofrail.commitment.checkpoint import Signer, checkpoint_text, sign_checkpoint
from proofrail.commitment.items import item_bytes, leaf_hash
from proofrail.commitment.runid import run_id
from proofrail.wire.canonical import JsonObject, canonical, parse_object, sha256_hex
from proofrail.wire.errors import MalformedError
from proofrail.wire.evidence import COMMAND, MAX_EVIDENCE
from proofrail.wire.signing import sign_message

Keep = Callable[[bytes], str]
"""Puts a blob into the artifact store and gives its URI."""

_LINE: Final = 512
"""Characters of a published line that does not fit."""

_WORDS: Final = 64
"""Characters of a text of the mismatch in a bundle that is otherwise too large."""

_IN_COMMITMENTS: Final = frozenset({"commitments", "input", "block", "seal", "checkpoint"})

_RUN_ID: Final = re.compile("[0-9a-f]{32}")

_ROOM: Final = 512
"""Bytes kept free for the signature and for what the last cut says of itself."""


@dataclass(frozen=True)
class Evidence:
    """What an audit that ended with a mismatch knows: enough to make a bundle of it."""

    run_id: str
    finding: Finding
    claims: Claims
    events: Lines | None
    inputs: Sequence[JsonObject]
    recomputed: Recomputed | None
    keys: Sequence[str]
    trace: Buffer | None
    memory: Buffer | None

    def bundle(self, signer: Signer | None = None, keep: Keep | None = None) -> bytes:
        """The EvidenceBundle in canonical form, at most MAX_EVIDENCE bytes.

        `signer` is the auditor's key; without it nothing of the auditor's is signed, and no verifier accepts the
        bundle. `keep` stores items that do not fit.
        """
        cuts = ("inputs", "values", "published", *self._larger_item_first, "fault", "words")
        for count in range(len(cuts) + 1):
            made = _Draft(self, signer, keep, frozenset(cuts[:count])).object()
            if len(canonical(made)) <= MAX_EVIDENCE - _ROOM:
                break
        return canonical(made if signer is None else sign_message(made, signer.key))

    @property
    def about(self) -> str:
        """The run that both sides speak of: that of the recomputed run, where there is one."""
        return self.recomputed.run_id if self.recomputed is not None else self.run_id

    @cached_property
    def heads(self) -> Heads:
        return heads_of(self.about, self.claims, self.events, self.recomputed, self.keys)

    @cached_property
    def shows(self) -> str:
        """What the two signed trees show of the mismatch."""
        heads, item = self.heads, self.finding.item
        tracer, auditor = heads.tracer, heads.auditor
        if heads.head is None or auditor is None:
            return "nothing"
        if auditor.is_under(heads.head):
            return "published" if self._was_altered_after() else "nothing"
        if tracer is None or item is None:
            return "heads"
        sizes = sorted((tracer.tree.size, auditor.tree.size))
        if item < sizes[0]:
            return "items" if tracer.tree.leaf(item) != auditor.tree.leaf(item) else "heads"
        same = all(tracer.tree.leaf(i) == auditor.tree.leaf(i) for i in range(sizes[0]))
        return "length" if item == sizes[0] < sizes[1] and same else "heads"

    @cached_property
    def line(self) -> tuple[str, int, bytes] | None:
        """The published line that the mismatch is about: its part, its number from 1, its bytes."""
        number = self.finding.line
        if self.finding.where == "event" and self.finding.item is not None and self.events is not None:
            found = _line_at(self.events, self.finding.item)
            return None if found is None else ("events", self.finding.item + 1, found)
        if number is None or self.finding.where not in _IN_COMMITMENTS:
            return None
        for line in self.claims.in_order():
            if line.number == number:
                return "commitments", number, canonical(line.members)
        for broken in self.claims.malformed:
            if broken.number == number and broken.line:
                return "commitments", number, broken.line
        return None

    def _was_altered_after(self) -> bool:
        """Whether the line read is one that a stranger sees to be no item of the tree both sides signed."""
        if self.line is None or self.line[0] != "events" or self.heads.auditor is None:
            return False
        item, tree = self.finding.item or 0, self.heads.auditor.tree
        try:
            leaf = leaf_hash(item_bytes(parse_object(self.line[2])))
        except MalformedError:
            return False
        return item >= tree.size or leaf != tree.leaf(item)

    @property
    def _larger_item_first(self) -> list[str]:
        item = self.finding.item
        sizes = {
            name: len(tree.item(item))
            if item is not None and tree is not None and item < tree.tree.size
            else 0
            for name, tree in (("claimed.item", self.heads.tracer), ("expected.item", self.heads.auditor))
        }
        return sorted(sizes, key=lambda name: -sizes[name])


class _Draft:
    """A bundle with some of its parts cut."""

    def __init__(
        self, evidence: Evidence, signer: Signer | None, keep: Keep | None, cut: frozenset[str]
    ) -> None:
        self._of = evidence
        self._signer = signer
        self._keep = keep
        self._cut = cut
        self._hashes = Hashes()
        self._omitted: list[str] = []

    def object(self) -> JsonObject:
        of = self._of
        published, shows = self._published(), of.shows
        if shows == "published" and (
            published is None or "text" not in published or "published" in self._omitted
        ):
            shows = "nothing"  # what is not whole cannot be held against the tree
        claimed, expected = self._sides(shows)
        made: JsonObject = {
            "v": 1,
            "type": "EvidenceBundle",
            "run_id": of.about,
            "first_mismatch": self._mismatch(),
            "shows": shows,
            "claimed": claimed,
            "expected": expected,
        }
        if of.recomputed is not None:
            made |= self._run(of.recomputed)
        if published is not None and shows in ("published", "heads", "nothing"):
            made["published"] = published
        made |= self._fault(claimed)
        made["hashes"] = self._hashes.listed
        if self._omitted:
            made["omitted"] = sorted(self._omitted)
        return made

    def _run(self, recomputed: Recomputed) -> JsonObject:
        seal = recomputed.seal
        about = {name: seal[name] for name in ("program", "layout", "spans", "inputs_count", "inputs_sha256")}
        packing = {"bits": seal["bits"], "block_items": seal["block_items"]}
        made: JsonObject = {"run": about | {"commitment": packing}, "re_execute": COMMAND.format(**seal)}
        if "inputs" in self._cut:
            self._omitted.append("inputs")
        else:
            made["inputs"] = list(self._of.inputs)
        return made

    def _mismatch(self) -> JsonObject:
        members = self._of.finding.members()
        if "values" in self._cut:
            self._omitted.append("first_mismatch.values")
            members = {name: value for name, value in members.items() if name not in ("expected", "claimed")}
        if "words" in self._cut:
            self._omitted.append("first_mismatch.words")
            members = {
                name: value[:_WORDS] if isinstance(value, str) else value
                for name, value in members.items()
                if isinstance(value, str | int)
            }
        return members

    def _sides(self, shows: str) -> tuple[JsonObject, JsonObject]:
        heads, item = self._of.heads, self._of.finding.item
        claimed: JsonObject = {} if heads.note is None else {"checkpoint": heads.note}
        expected: JsonObject = {}
        if heads.auditor is not None:
            expected["checkpoint"] = self._checkpoint(heads.auditor)
        if item is None:
            return claimed, expected
        if heads.tracer is not None and shows in ("items", "length"):
            claimed |= self._item("claimed.item", heads.tracer, item)
        if heads.auditor is not None and shows != "nothing":
            expected |= self._item("expected.item", heads.auditor, item)
        return claimed, expected

    def _checkpoint(self, tree: LoggedTree) -> str:
        size, root = tree.tree.size, tree.tree.root()
        if self._signer is None:
            return checkpoint_text(self._of.about, size, root)
        return sign_checkpoint(self._of.about, size, root, self._signer)

    def _item(self, name: str, tree: LoggedTree, index: int) -> JsonObject:
        if index >= tree.tree.size:
            return {}
        item = tree.item(index)
        made: JsonObject = {"index": index, "proof": self._hashes.proof(tree.tree.inclusion_proof(index))}
        if name not in self._cut:
            return {"item": made | {"text": item.decode()}}
        self._omitted.append(name)
        made |= {"leaf": tree.tree.leaf(index).hex(), "sha256": sha256_hex(item), "size": len(item)}
        if self._keep is not None:
            made["uri"] = self._keep(item)
        return {"item": made}

    def _published(self) -> JsonObject | None:
        if self._of.line is None:
            return None
        part, number, line = self._of.line
        made: JsonObject = {"part": part, "line": number, "size": len(line), "sha256": sha256_hex(line)}
        if "published" in self._cut and len(line) > _LINE:
            self._omitted.append("published")
        try:
            text = line.decode()
            made["text"] = text[:_LINE] if "published" in self._cut else text
        except UnicodeDecodeError:
            made["hex"] = (line[:_LINE] if "published" in self._cut else line).hex()
        return made

    def _fault(self, claimed: JsonObject) -> JsonObject:
        of = self._of
        if of.heads.tracer is None:
            return {}
        if of.recomputed is None:
            return self._identity_fault(of.heads.tracer, claimed)
        if of.trace is None or of.memory is None:
            return {}
        if "fault" in self._cut:
            self._omitted.append("fault")
            return {}
        return shown_fault(of.heads.tracer, of.trace, of.memory, of.recomputed, self._hashes) or {}

    def _identity_fault(self, tracer: LoggedTree, claimed: JsonObject) -> JsonObject:
        """A TraceStart whose program, settings and inputs are not those that the run_id was made from."""
        if self._of.finding.item != 0:
            return {}
        if not _is_of_another_run(parse_object(tracer.item(0)), self._of.about):
            return {}
        claimed |= self._item("claimed.item", tracer, 0)
        return {"fault": {"kind": "identity"}}


def _is_of_another_run(start: JsonObject, name: str) -> bool:
    """Whether a TraceStart makes another run_id than `name`; never for one that was not made by the rule."""
    try:
        program, packing = start["program"], start["commitment"]
        if program["backend"] != "cairo" or not _RUN_ID.fullmatch(name):
            return False
        made = run_id(
            artifact_sha256=program["artifact_sha256"],
            method_id=program["method_id"],
            layout=start["layout"],
            spans=start["spans"],
            inputs_sha256=start["inputs_sha256"],
            bits=packing["bits"],
            block_items=packing["block_items"],
        )
    except (KeyError, TypeError, MalformedError):
        return False
    return made != name


def _line_at(events: Lines, item: int) -> bytes | None:
    try:
        return next(islice(events(), item, None), None)
    except MalformedError:
        return None
