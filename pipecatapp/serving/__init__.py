"""What the programs of the app share: how a configuration and an agent's file are read, and where they listen."""
