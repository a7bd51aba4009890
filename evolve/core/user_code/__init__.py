"""The user's functions and scripts: what is called, and what their answers mean."""
