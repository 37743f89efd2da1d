"""Loop programs printed as Numba source for the CPU."""
