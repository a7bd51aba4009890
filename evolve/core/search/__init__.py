"""Deciding how a prompt evolves: tasks, genomes, operators, races, fronts and the gate. Values in, values out."""
