"""Jobs: the only place where roads meet inference. One file a kind."""
