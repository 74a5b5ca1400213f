"""How jobs run here: knows contracts, no implementation; enters by plugin.py like any plugin."""
