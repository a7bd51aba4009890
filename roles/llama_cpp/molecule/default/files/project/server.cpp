// llama-server's place: /health and /v1/models, as the real one answers them.
// Like the real one it is healthy only when its model can be read and every RPC worker answers.
#include <fstream>
#include <sstream>

#include "tcp.hpp"

namespace {

bool worker_answers(const std::string& worker) {
    size_t colon = worker.rfind(':');
    if (colon == std::string::npos) return false;
    int fd = tcp::open_socket(worker.substr(0, colon), worker.substr(colon + 1), 0,
                              [](int s, addrinfo* a) { return connect(s, a->ai_addr, a->ai_addrlen) == 0; });
    if (fd < 0) return false;
    timeval patience{2, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    std::string answer = tcp::receive(fd);
    close(fd);
    return answer == "rpc-server\n";
}

bool all_workers_answer(const std::string& workers) {
    std::stringstream list(workers);
    for (std::string worker; std::getline(list, worker, ',');)
        if (!worker_answers(worker)) return false;
    return true;
}

void respond(int client, const std::string& status, const std::string& body) {
    tcp::send_all(client, "HTTP/1.1 " + status + "\r\nContent-Type: application/json\r\nContent-Length: " +
                              std::to_string(body.size()) + "\r\nConnection: close\r\n\r\n" + body);
}

}  // namespace

int main(int argc, char** argv) {
    const std::string model = option(argc, argv, "--model", "-m", "");
    const std::string workers = option(argc, argv, "--rpc", "--rpc", "");
    if (!model.empty() && !std::ifstream(model)) {
        std::fprintf(stderr, "cannot read the model %s\n", model.c_str());
        return 1;
    }
    const std::string id = model.substr(model.rfind('/') + 1);
    const std::string models = "{\"object\":\"list\",\"data\":[" +
                               (model.empty() ? "" : "{\"id\":\"" + id + "\",\"object\":\"model\"}") + "]}";
    int listener = tcp::listen_on(option(argc, argv, "--host", "--host", "127.0.0.1"), option(argc, argv, "--port", "--port", "8080"));
    for (;;) {
        int client = tcp::next_client(listener);
        if (client < 0) continue;
        const std::string request = tcp::receive(client);
        if (request.rfind("GET /health ", 0) == 0) {
            if (all_workers_answer(workers)) respond(client, "200 OK", "{\"status\":\"ok\"}");
            else respond(client, "503 Service Unavailable", "{\"error\":{\"message\":\"an RPC worker does not answer\"}}");
        } else if (request.rfind("GET /v1/models ", 0) == 0) {
            respond(client, "200 OK", models);
        } else {
            respond(client, "404 Not Found", "{\"error\":{\"message\":\"no such page\"}}");
        }
        close(client);
    }
}
