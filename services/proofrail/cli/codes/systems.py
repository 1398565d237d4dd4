"""Codes of files and settings, of Kafka, of the artifact store and of the services."""

from __future__ import annotations

from typing import Final

from proofrail.cli.codes.entry import TRACE, Area, Entry

_BROKER = "Check that the broker runs and that PROOFRAIL_KAFKA_BOOTSTRAP names it; services try again by themselves."
_ANEW = "Nothing: the supervisor starts the process anew, and it continues where it was."

FILES: Final = Area.of(
    "files",
    "Files and arguments that a command cannot work with",
    "proofrail COMMAND --help",
    (
        Entry(
            "otel-extra",
            "Spans are to go to a collector, and OpenTelemetry is not installed.",
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, and Proofrail was installed without its extra `otel`.",
            "Install proofrail[otel], or unset the variable.",
        ),
        Entry(
            "otel-protocol",
            "Spans are to go by a protocol that Proofrail does not speak.",
            "OTEL_EXPORTER_OTLP_PROTOCOL names another than http/protobuf.",
            "Set it to http/protobuf, and the endpoint to the collector's port for it, usually 4318.",
        ),
        Entry("file-not-found", "A file or a run does not exist.", "The path is wrong.", "Check the path."),
        Entry(
            "file-not-permitted", "A file may not be opened.", "Its permissions.", "Check its permissions."
        ),
        Entry(
            "disk-full",
            "There is no room left to write a file.",
            "The disk, a quota or a limit on the size of files is reached.",
            "Make room, and do it again; what was there before is still there.",
        ),
        Entry(
            "file-is-a-folder",
            "A folder stands where a file is needed.",
            "The path is too short.",
            "Name a file in it.",
        ),
        Entry(
            "file-unusable",
            "The operating system could not read or write a file.",
            "The disk is full, the file system is read-only, or the path is no plain file; the message has its words.",
            "Check path and disk.",
        ),
        Entry(
            "no-run-folder",
            "The folder is none that `proofrail trace` wrote.",
            "A file of the run is missing; commitments.ndjson is written last, so a run cut short has none.",
            "Trace it again, or name the right folder.",
        ),
        Entry(
            "nothing-to-audit",
            "Neither events nor commitments were given.",
            "`proofrail audit` was called without a file.",
            "Give EVENTS, --commitments FILE, or both.",
        ),
        Entry(
            "program-needed",
            "Inputs were given, and no program to read them for.",
            "What an inputs file means depends on the program.",
            "Give the compiled program with --program FILE.",
        ),
        Entry(
            "commitments-unusable",
            "No line of the commitments is a JSON object.",
            "Another file was given.",
            "Give the run's commitments.ndjson.",
        ),
        Entry(
            "commitments-are-events",
            "The commitments are trace events.",
            "The two files were swapped.",
            "Give events.ndjson as EVENTS, commitments.ndjson with --commitments.",
        ),
        Entry(
            "events-are-commitments",
            "The events are commitments.",
            "The two files were swapped.",
            "Give events.ndjson as EVENTS, commitments.ndjson with --commitments.",
        ),
        Entry(
            "events-unusable",
            "There are no trace events in it.",
            "Another file, or an empty one.",
            "Give events.ndjson.",
        ),
        Entry(
            "events-of-no-trace",
            "The lines are objects, and none is a trace event.",
            "Commitments or reports were given.",
            "Give a run's events.ndjson.",
        ),
        Entry(
            "events-not-nested",
            "An event ends a span, and none is open.",
            "Events are missing or out of order.",
            "`proofrail check EVENTS` names everything that is wrong with the stream.",
        ),
        Entry(
            "inputs-of-another-run",
            "The inputs file does not hold the inputs of this run.",
            "Its digest is not inputs_sha256 of TraceStart.",
            "Give the inputs that the run was made with.",
            f"{TRACE} section 3",
        ),
        Entry(
            "rerun-impossible",
            "The run cannot be executed again, which this needs.",
            "Its program or inputs are not at hand, or it is of a backend without steps.",
            "Give the folder that `proofrail trace` wrote, or --program FILE.",
        ),
        Entry(
            "step-out-of-range",
            "The run has no such step.",
            "Steps count from 0.",
            "`--at last` is the last real one.",
        ),
        Entry(
            "step-not-a-number",
            "A step is no number.",
            "It was misspelled.",
            "Give a number from 0, or `last`.",
        ),
        Entry(
            "run-not-found",
            "No run on the topics begins so.",
            "It has expired, or runs elsewhere.",
            "Check --home.",
        ),
        Entry(
            "diff-stdin-twice", "Both runs are standard input.", "There is only one.", "Give one as a file."
        ),
        Entry("run-ambiguous", "Several runs begin so.", "Too few characters.", "Give more of the run_id."),
        Entry(
            "code-unknown", "There is no such code.", "It is misspelled.", "`proofrail explain` lists all."
        ),
        Entry(
            "run-mismatch",
            "The folder's run is not that of its inputs.",
            "A file in it was altered.",
            "`proofrail audit` says what differs.",
        ),
        Entry(
            "run-undecided",
            "The folder's run cannot be checked, so nothing is proven or verified about it.",
            "A key, the program or the seal is missing.",
            "`proofrail audit` on the folder's files names the missing part.",
        ),
        Entry(
            "key-malformed",
            "A public key cannot be read.",
            "It is cut, or a private key.",
            "Take the .vkey file as it was written.",
            f"{TRACE} section 6, Checkpoint",
        ),
        Entry(
            "key-file",
            "A private key cannot be used.",
            "Others can read it, or it may not be read or written.",
            "`chmod 600` it; if others may have read it, delete it: a new one is made.",
        ),
        Entry(
            "key-name",
            "A private key is of another role.",
            "A key says whose it is: the tracer's signs checkpoints of runs, the auditor's evidence and reports.",
            "Name the auditor's private key, or a file that does not exist yet: it is made.",
        ),
        *(
            Entry(
                f"checkpoint-{what}",
                f"A checkpoint is signed as it should be, and about another {meant} than the run's.",
                "It was taken from another seal, or its tracer signed something else.",
                "Do not rely on the run.",
                f"{TRACE} section 6, Checkpoint",
            )
            for what, meant in (("origin", "run"), ("size", "number of items"), ("root", "root"))
        ),
        Entry(
            "checkpoint-malformed",
            "A text is no checkpoint (a C2SP signed note over a tree head).",
            "It was cut or edited: its lines and their ends are part of what is signed.",
            "Take the seal's checkpoint whole.",
            f"{TRACE} section 6",
        ),
        Entry(
            "checkpoint-unknown-key",
            "A checkpoint is signed by no accepted key.",
            "Another tracer sealed the run.",
            "Give that tracer's key, if it is one you trust.",
            f"{TRACE} section 6, Checkpoint",
        ),
        Entry(
            "checkpoint-signature",
            "A signature by an accepted key does not fit the checkpoint's text.",
            "Text or signature was altered after signing.",
            "Do not rely on the run.",
            f"{TRACE} section 6, Checkpoint",
        ),
        Entry(
            "settings",
            "The settings of a service are not complete or not valid.",
            "A variable of the environment is missing or has a value that cannot be read; the message names it.",
            "Set it: PROOFRAIL_… in the environment.",
        ),
        Entry(
            "no-proposals", "There is nothing to publish.", "The file is empty.", "Give one proposal a line."
        ),
    ),
)

STORE: Final = Area.of(
    "store",
    "The artifact store",
    "design section 7",
    (
        Entry(
            "artifact-reference",
            "A reference is no digest or URI of the artifact store.",
            "A message was altered, or another tool's reference was passed.",
            "Take the digest and uri from the Proof or AuditReport as published.",
        ),
        Entry(
            "artifact-altered", "A blob is not what its digest says.", "It was altered or cut.", "Restore it."
        ),
        Entry(
            "artifact-missing",
            "The store has no such blob.",
            "Not yet arrived, or deleted.",
            "Wait, or restore it.",
        ),
        Entry(
            "artifact-store-unavailable",
            "The store cannot be used.",
            "Its URL, space or permissions.",
            "Check PROOFRAIL_STORE_URL and the disk; services try again by themselves.",
        ),
    ),
)

KAFKA: Final = Area.of(
    "kafka",
    "Kafka, the embedded broker and the services",
    "services/proofrail/messaging",
    (
        Entry(
            "broker-unavailable",
            "The broker did not answer, or a transaction was given up.",
            "It is away; or it cannot reach its own advertised.listeners, and so takes records but no transactions: "
            "`proofrail doctor` tries one.",
            _BROKER,
        ),
        Entry(
            "not-published",
            "Not all records were acknowledged.",
            "The broker is away, or a topic is missing.",
            _BROKER,
        ),
        Entry(
            "view-behind",
            "Reading a topic to its end stood still for a minute.",
            "A transaction is open.",
            _BROKER,
        ),
        Entry("view-stopped", "A view is used that does not run.", "A defect of the caller.", "Report it."),
        Entry(
            "pipeline-stopped",
            "A pipeline is used that does not run.",
            "A defect of the caller.",
            "Report it.",
        ),
        Entry(
            "record-refused",
            "The broker refused a record.",
            "Its limits are lower than ours.",
            "Compare the topic's.",
        ),
        Entry(
            "record-too-large",
            "A record is above 512 KiB.",
            "The limit keeps every record below what brokers take.",
            "Split it into several records with the same key.",
            f"{TRACE} section 1",
        ),
        Entry(
            "transactions-unfinished",
            "The broker takes records, but ends no transaction.",
            "It cannot reach its own advertised.listeners, or another broker's; or it has fewer brokers than the "
            "replication factor of its topic of transactions asks for.",
            "Correct advertised.listeners, or the replication factors, start the broker anew, and ask `proofrail "
            "doctor` again.",
        ),
        Entry(
            "transactions-not-permitted",
            "Whether the broker ends transactions could not be tried.",
            "Its access rules name neither this user nor the check.",
            "Permit the user WRITE on the transactional id and READ on the group proofrail-doctor.",
        ),
        Entry(
            "producer-fenced",
            "Another producer has this transactional id.",
            "Two instances have one name, or a transaction took too long.",
            "Give each instance a PROOFRAIL_INSTANCE of its own.",
        ),
        Entry("partition-lost", "A partition went to another instance.", "The group rebalanced.", _ANEW),
        Entry(
            "outcome-unknown",
            "Nothing tells whether a commit happened.",
            "The broker went away in it.",
            _ANEW,
        ),
        Entry(
            "consumer-stuck",
            "No fetch was answered although the broker is there.",
            "The client hangs.",
            _ANEW,
        ),
        Entry(
            "topic-pending",
            "A topic is not ready yet.",
            "It was just created.",
            "It is tried again by itself.",
        ),
        Entry(
            "topic-refused",
            "The broker refused to create a topic.",
            "Replication factor or permissions.",
            "Create it by hand; `proofrail topics` reports where it differs.",
        ),
        Entry(
            "kafka-tls",
            "The TLS files for Kafka cannot be loaded.",
            "A file is missing, not readable, or no PEM.",
            "Check PROOFRAIL_KAFKA_TLS_CA_FILE, _TLS_CERT_FILE and _TLS_KEY_FILE.",
        ),
        Entry(
            "kafka-login",
            "The broker refused the login.",
            "User, password or mechanism are not those it knows.",
            "Check PROOFRAIL_KAFKA_SASL_USERNAME, _SASL_PASSWORD and _SASL_MECHANISM.",
        ),
        Entry(
            "kafka-certificate",
            "The broker's certificate is not accepted.",
            "Another authority signed it, it has expired, or it is for another host.",
            "Name the bundle in PROOFRAIL_KAFKA_TLS_CA_FILE, and the broker as its certificate names it.",
        ),
        Entry(
            "kafka-protocol",
            "The broker takes no TLS connection of ours.",
            "The port speaks something else, or the broker wants a client's certificate.",
            "Check PROOFRAIL_KAFKA_SECURITY_PROTOCOL and the port; PROOFRAIL_KAFKA_TLS_CERT_FILE and _TLS_KEY_FILE.",
        ),
        Entry(
            "kafka-data-dir",
            "Kafka takes no folder with a comma.",
            "Its settings are lists.",
            "Choose another folder.",
        ),
        Entry(
            "kafka-jars-missing",
            "Kafka's jars cannot be fetched.",
            "No repository answers: no network, or a proxy that is not configured.",
            "The message names the ways out: a mirror, a folder of jars, or a running broker.",
        ),
        Entry(
            "kafka-jar-altered",
            "A jar of Kafka is not the pinned one.",
            "It was altered on its way.",
            "Fetch it again.",
        ),
        Entry(
            "kafka-jars-folder",
            "The folder of Kafka's jars is not usable.",
            "It holds no Kafka 4, or a jar that is not the pinned one.",
            "Point the variable at the libs folder of an Apache Kafka 4 download.",
        ),
        Entry(
            "java-missing",
            "There is no Java for the embedded broker.",
            "None was found.",
            "Install one, or name a broker.",
        ),
        Entry(
            "java-unusable",
            "The Java that PROOFRAIL_JAVA names does not run, or is too old.",
            "The variable names another program, or a Java for another platform.",
            "Name a `java` that is new enough, or unset the variable to use the packaged runtime.",
        ),
        Entry(
            "broker-exited",
            "The embedded broker ended while starting.",
            "Usually another broker has its files or its port, or the disk is full; its last words are in the message.",
            "Read the log that the message names; start it again.",
        ),
        Entry(
            "no-free-port",
            "No port of 127.0.0.1 is free for the broker.",
            "Too many programs listen on it.",
            "End some of them.",
        ),
        Entry(
            "broker-running",
            "A broker works on this data folder already.",
            "Another `proofrail up`, or one that was killed and left its broker.",
            "Use it with PROOFRAIL_KAFKA_BOOTSTRAP as the message says, stop it, or choose another folder.",
        ),
        Entry(
            "broker-slow",
            "The embedded broker did not answer in time.",
            "The host is busy or short of memory, or the broker hangs over its data.",
            "Read the log that the message names; start it again.",
        ),
        Entry(
            "broker-format",
            "Kafka could not format its folder.",
            "Another program made it.",
            "Empty it first.",
        ),
        Entry(
            "broker-not-started",
            "The embedded broker is not running.",
            "A defect of the caller.",
            "Start it first.",
        ),
        Entry(
            "health-port",
            "The health port cannot be listened on.",
            "It is taken.",
            "Choose PROOFRAIL_HEALTH_PORT=0.",
        ),
        Entry(
            "already-running",
            "A system runs in this home folder.",
            "It was left.",
            "`proofrail down`, or --home.",
        ),
        Entry(
            "demo-options",
            "Options of `proofrail demo` do not belong together.",
            "--integrity says what is deployed on the chain of --chain.",
            "Add --chain, or leave --integrity out.",
            "services/proofrail/cli/online.py",
        ),
        Entry(
            "demo-parts-missing",
            "The demo on chain needs programs or packages that are not here.",
            "starknet-devnet and Stone's programs are no part of Proofrail, starknet-py comes with the extra `chain`.",
            "The message names each missing one, and how to get it. Nothing was started.",
            "services/proofrail/cli/demo_parts.py",
        ),
        Entry(
            "stone-version-unfit",
            "Stone v2 cannot make proofs of 96 bits that the registry on chain verifies.",
            "Its hashes for the registry have 160 bits, which bounds the security of a proof at 80.",
            "Name builds of Stone v3 in PROOFRAIL_STONE_PROVER and PROOFRAIL_STONE_VERIFIER.",
            "services/proofrail/cli/demo_parts.py",
        ),
        Entry(
            "devnet-not-started",
            "starknet-devnet ends, or does not answer.",
            "It is another version, or the machine is very busy.",
            "The message has its own words; try it by hand.",
            "services/proofrail/cli/devnet.py",
        ),
        Entry(
            "no-running-system",
            "No system runs in this home folder.",
            "It has ended.",
            "`proofrail up`, or --home.",
        ),
        Entry(
            "system-not-started",
            "The system ended or hung while starting.",
            "Broker or services did not come up; what was said last is in the message.",
            "Read its log; start it again.",
        ),
        Entry(
            "services-not-ready",
            "A service did not become ready in time.",
            "It cannot reach the broker or the store, or the prover is being built.",
            "The log that the message names has the reason; start it again.",
        ),
    ),
)
