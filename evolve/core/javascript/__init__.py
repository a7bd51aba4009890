"""JavaScript: the embedded engine, and how JavaScript sees JSON values."""
