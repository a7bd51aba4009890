"""Reports of a run: files for other programs, a page and the console for people."""
