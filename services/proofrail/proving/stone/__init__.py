"""Parameters of proofs made by StarkWare's Stone prover: derived, checked, priced, before a process is spawned."""
