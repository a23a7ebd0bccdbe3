"""The surrogate road: any likelihood, learned from (theta, log L), as one ONNX file.

Coccaro, Pierini, Silvestrini, Torre, "The DNNLikelihood", arXiv:1911.03305.
"""
