"""The commands of `evolve`, one file each with `main(arguments) -> exit code`."""
