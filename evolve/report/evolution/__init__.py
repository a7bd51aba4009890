"""Reports of an evolution: console, page and live page."""
