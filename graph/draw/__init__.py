"""Pictures of circuits and of unrolled graphs."""
