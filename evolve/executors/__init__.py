"""Where the work is done when this machine is not enough: a job of Nomad, or the nodes of a Ray cluster."""
