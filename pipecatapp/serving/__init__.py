"""What the programs of the app share: a configuration in one file, and the addresses where they listen."""
