"""One role verified on one release: its scenario, its plays, and what the checks share."""
