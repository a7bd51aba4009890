"""The images that hosts start from."""
