"""Templates: Jinja2's grammar with Nunjucks' semantics."""
