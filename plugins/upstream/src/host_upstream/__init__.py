"""Client mode: providers of the face contracts that ask another host."""
