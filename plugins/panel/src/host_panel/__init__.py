"""The web panel of a jobhost."""
