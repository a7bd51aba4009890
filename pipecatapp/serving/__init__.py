"""What the programs of the app share: reading a configuration and an agent's file, and the addresses where they listen."""
