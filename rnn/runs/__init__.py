"""A training run: what is trained with which settings, kept in a folder, shown while it runs, gone on with later."""
