"""Vectors for generated kernels: what the machine has, types, memory, mathematics, rows."""
