"""What a network does: how far its gradient reaches, and what its units show."""
