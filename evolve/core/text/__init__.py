"""Prepares text for people, terminals and models."""
