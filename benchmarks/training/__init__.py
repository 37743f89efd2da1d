"""The training step of this project and of its peers, side by side in one process."""
