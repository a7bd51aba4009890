"""What several adapters share of the machine: HTTP, SQLite, locks, processes and files."""
