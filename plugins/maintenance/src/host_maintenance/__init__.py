"""Jobs that keep a host healthy: prune its history and its audit trail, optimise and check its stores, back it up."""
