// Listening on TCP, and the options of a command line.
#pragma once

#include <netdb.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace tcp {

// Resolves `host` and `port`, then tries `use(socket, address)` on each address until one takes it; -1 when none does.
template <typename Use>
int open_socket(const std::string& host, const std::string& port, int flags, Use use) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = flags;
    addrinfo* found = nullptr;
    if (getaddrinfo(host.c_str(), port.c_str(), &hints, &found) != 0) return -1;
    int result = -1;
    for (addrinfo* a = found; a && result < 0; a = a->ai_next) {
        int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
        if (fd < 0) continue;
        if (use(fd, a)) result = fd;
        else close(fd);
    }
    freeaddrinfo(found);
    return result;
}

inline int listen_on(const std::string& host, const std::string& port) {
    int fd = open_socket(host, port, AI_PASSIVE, [](int s, addrinfo* a) {
        int on = 1;
        setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        return bind(s, a->ai_addr, a->ai_addrlen) == 0 && listen(s, 16) == 0;
    });
    if (fd < 0) {
        std::fprintf(stderr, "cannot listen on %s port %s\n", host.c_str(), port.c_str());
        std::exit(1);
    }
    std::fprintf(stderr, "listens on %s port %s\n", host.c_str(), port.c_str());
    return fd;
}

// The next client, with two seconds to say something.
inline int next_client(int listener) {
    int client = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    timeval patience{2, 0};
    if (client >= 0) setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return client;
}

inline std::string receive(int fd) {
    char buffer[8192];
    ssize_t size = recv(fd, buffer, sizeof buffer, 0);
    return size > 0 ? std::string(buffer, static_cast<size_t>(size)) : std::string();
}

inline void send_all(int fd, const std::string& text) {
    for (size_t sent = 0; sent < text.size();) {
        ssize_t size = send(fd, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
        if (size <= 0) return;
        sent += static_cast<size_t>(size);
    }
}

}  // namespace tcp

// The value after `long_name` or `short_name`; other options are taken as the real programs take them, and ignored.
inline std::string option(int argc, char** argv, const std::string& long_name, const std::string& short_name,
                          const std::string& otherwise) {
    for (int i = 1; i + 1 < argc; ++i)
        if (argv[i] == long_name || argv[i] == short_name) return argv[i + 1];
    return otherwise;
}
