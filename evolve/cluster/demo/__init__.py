"""A cluster to try things on, as processes of this machine, with jobs whose faults can be provoked.

__main__.py      ./bootstrap.sh cluster: start and stop
running.py       from nothing to a cluster that is ready, and its end
agents.py        Consul, and the stand-in or a real Nomad, as processes
leftovers.py     processes and mounts of a demo cluster that was killed
state_file.py    where a demo cluster runs: what `evolve provoke` and others find
jobs.py          the three demo jobs
program.py       what their tasks run
changes.py       versions of a job with a fault
faults.py        the faults, and what each should look like
access.py        the cluster's clients, and which jobs may be touched
provocations.py  what is done for each fault
port_holder.py   a process that takes a port
provoking.py     provokes and undoes a fault
"""
