"""Codes of the commands for operators."""

from __future__ import annotations

from typing import Final

from proofrail.cli.codes.entry import Area, Entry

OPERATORS: Final = Area.of(
    "operators",
    "Commands for operators",
    "proofrail COMMAND --help",
    (
        Entry(
            "run-id-malformed",
            "What was given cannot be a run_id.",
            "A run_id is 32 hexadecimal characters; four or more of its first ones will do.",
            "`proofrail status` lists the runs.",
        ),
        Entry(
            "time-malformed",
            "What was given is no time.",
            "An age has a number and one of s, m, h, d; a time is in RFC 3339.",
            "Give 10m, 2h, 3d or 2026-01-31T12:00:00Z.",
        ),
        Entry(
            "topic-unknown",
            "There is no such topic.",
            "The name is wrong.",
            "Name one of proposals, dlq, index, events, commitments, proofs, reports, attestations, registrations.",
        ),
        Entry(
            "topics-missing",
            "The broker has none of the topics that the command reads.",
            "They were not created yet, or another broker is named than the one that the services use.",
            "Create them: `proofrail topics`; or correct PROOFRAIL_KAFKA_BOOTSTRAP.",
        ),
        Entry(
            "type-unknown",
            "There is no such type of message.",
            "The name is wrong.",
            "Name one of those that the error lists; schemas/ describes them.",
        ),
        Entry(
            "verdict-unknown",
            "There is no such verdict.",
            "The name is wrong.",
            "Name one of those that the error lists.",
        ),
        Entry(
            "several-beginnings",
            "Where to begin was said more than once.",
            "--since, --from-start and --offset exclude each other.",
            "Give one of them.",
        ),
        Entry(
            "offset-of-which-topic",
            "An offset was given for several topics.",
            "An offset counts in one topic.",
            "Name the topic.",
        ),
        Entry(
            "offset-outside",
            "The topic does not hold this offset.",
            "It has expired, or was not written yet.",
            "Give one that it holds, or -N for the last N.",
        ),
        Entry(
            "dead-letter-unknown",
            "There is no such dead letter.",
            "The name is wrong, the letter is about another allocation, or it has expired.",
            "`proofrail dlq list` names them all.",
        ),
        Entry(
            "dead-letter-lost",
            "The value of a dead letter is not to be had in full.",
            "A letter holds the first 24 KiB; the record it refuses has expired.",
            "Ask whoever published it, and replay it with --value FILE.",
        ),
        Entry(
            "dead-letter-decided",
            "A corrected proposal has an allocation_id that stands for another proposal.",
            "An allocation_id stands for the first proposal that was run under it, for good.",
            "Give the corrected proposal an allocation_id of its own.",
        ),
        Entry(
            "dead-letter-topic",
            "A dead letter is about a topic to which nothing may be published again.",
            "It was not written by the tracer.",
            "Look at it with `proofrail dlq show`, and find out who wrote it.",
        ),
        Entry(
            "requeued-too-often",
            "A proposal was run again as often as it can be.",
            "Each further run over the same proposals needs a run_id of its own, and there are 64.",
            "Find out why none of them could be proven; publish the proposal under another allocation_id.",
        ),
        Entry(
            "config-missing",
            "The settings file is not there.",
            "PROOFRAIL_CONFIG names a file that does not exist.",
            "Correct it, or unset it.",
        ),
        Entry(
            "config-malformed",
            "The settings file cannot be read.",
            "It is no TOML, or holds what is neither text nor number.",
            "Correct the place that the message names.",
        ),
        Entry(
            "config-unknown",
            "The settings file sets what nothing reads.",
            "A name is misspelt, or is of another version.",
            "`proofrail config` lists all settings.",
        ),
        Entry(
            "service-unknown",
            "There is no such service.",
            "The name is wrong.",
            "Name kafka, tracer, prover, auditor, registrar, explorer or other.",
        ),
        Entry(
            "nothing-to-replay",
            "No dead letter was chosen.",
            "`proofrail dlq replay` was called without a name and without a filter.",
            "Name letters, or choose them with --code, --since or --topic.",
        ),
        Entry(
            "one-value-many-letters",
            "One value was given for several dead letters.",
            "--value FILE is the corrected value of one letter.",
            "Name the letter it is for.",
        ),
        Entry(
            "not-confirmed",
            "Several records would be published, and nobody can be asked.",
            "Standard input is no terminal.",
            "Say so with --yes; --dry-run shows what it would be.",
        ),
        Entry(
            "export-malformed",
            "A line of the file is none of an exported run.",
            "The file is none that `proofrail export` wrote, or it was altered.",
            "Export the run again.",
        ),
        Entry(
            "export-incomplete",
            "The exported run is not whole.",
            "The file was cut short, or put together from several.",
            "Export the run again: `proofrail export RUN --out FILE`.",
        ),
    ),
)
