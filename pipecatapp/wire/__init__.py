"""What goes over the network, as values: pure, without sockets and clocks."""
