"""ONNX files: a computation theta -> outputs, complete in itself, that other programs can run.

`graph` is what such a file holds, `build` puts one together, `write` and `read` are the file,
`run` evaluates it in jax. Reading trusts nothing: see `read`.
"""
