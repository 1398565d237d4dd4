"""Every alteration of what a tracer publishes, against an oracle that knows nothing of the audit.

runs.py        the runs that are altered, made once, and their recomputation, remembered
cases.py       families of alterations: numbered, so that all of them or a seeded sample can be tried
forgeries.py   alterations by somebody who may sign: the tracer itself
oracle.py      what an audit has to say, from the normative text alone
trial.py       one case: the audit beside the oracle
streams.py     generated items, for three implementations of the commitment to agree on
"""
