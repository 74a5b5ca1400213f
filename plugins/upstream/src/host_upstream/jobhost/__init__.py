"""A jobhost as the upstream: the face contracts over its ``/rest/v1``, losing nothing."""
