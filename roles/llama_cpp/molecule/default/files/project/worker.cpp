// rpc-server's place: answers each connection with one line and closes it.
#include "tcp.hpp"

int main(int argc, char** argv) {
    int listener = tcp::listen_on(option(argc, argv, "--host", "-H", "127.0.0.1"), option(argc, argv, "--port", "-p", "50052"));
    for (;;) {
        int client = tcp::next_client(listener);
        if (client < 0) continue;
        tcp::send_all(client, "rpc-server\n");
        close(client);
    }
}
