"""The app as processes of one machine: `./bootstrap.sh --run-local`."""
