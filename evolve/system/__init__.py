"""Access to the machine that several adapters share: HTTP, SQLite, locks, processes and files."""
