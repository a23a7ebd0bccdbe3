"""What the learned roads share: networks, one training loop, ensembles.

A method is its loss, `loss(network, batch, key) -> scalar`; everything else is here, once.
"""
