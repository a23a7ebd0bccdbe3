"""Posteriors: chains, nested sampling and ensembles over one unconstrained density.

posterior.py   log L, priors and the Jacobian over all of R^n
nuts.py  nested.py  ensemble.py  importance.py    one sampler each
pareto.py      how far importance weights can be trusted
chunked.py     draws in chunks, stored and resumed
sample.py      the verb
"""
