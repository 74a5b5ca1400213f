"""Jobs that keep a host healthy: prune its history, optimise and check its stores, back it up."""
