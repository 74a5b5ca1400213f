"""HTTP for a jobhost: who may come in, and what they find there."""
