"""SanteDB's administrative interface (AMI) in values, JSON and XML; for who serves it and for who asks.

Source: santedb-restsvc ``SanteDB.Core.Model.AMI``, santedb-model ``SanteDB.Core.Model/Parameters``.
"""
