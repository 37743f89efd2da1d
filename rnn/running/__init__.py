"""Networks that run free: what they chose, or what they gave, is what they read next."""
