"""A prover that proves nothing, for tests alone: it fails in every way in which real ones do, or makes a "proof" that
says of itself that it is a mock.

`program` is the process, which also plays Stone's programs and stwo's under their own command lines; `backend` is a
Backend of its own, `service` the prover service with that backend. Nothing of this is in the package, no setting
names it, and a policy that does not allow mocks refuses what it makes.
"""
