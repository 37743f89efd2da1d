"""Matrix products by vectors in registers, compiled once a machine and called by address."""
