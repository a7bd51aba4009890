"""JavaScript: the embedded engine, and JSON values with the semantics of JavaScript."""
