"""Decides what may be done about a failed job, and plans it. Nothing here touches the world."""
