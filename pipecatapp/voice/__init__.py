"""Voice: what a person says becomes words, and the answer becomes speech. `pipeline.py` alone imports pipecat."""
