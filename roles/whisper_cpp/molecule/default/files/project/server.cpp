// whisper-server's place: /health and /inference, as the real one answers them; it returns the length of a recording, not its text.
// Like the real one it does not start without a model that it can read.
#include <fstream>

#include "tcp.hpp"
#include "wave.hpp"

namespace {

void respond(int client, const std::string& status, const std::string& body) {
    tcp::send_all(client, "HTTP/1.1 " + status + "\r\nContent-Type: application/json\r\nContent-Length: " +
                              std::to_string(body.size()) + "\r\nConnection: close\r\n\r\n" + body);
}

// The request with its whole body, as far as it comes within the client's patience.
std::string whole_request(int client) {
    std::string request;
    for (std::string more; !(more = tcp::receive(client)).empty();) {
        request += more;
        const size_t body = request.find("\r\n\r\n");
        if (body == std::string::npos) continue;
        const size_t field = request.find("Content-Length: ");
        const size_t size = field < body ? std::strtoul(request.c_str() + field + 16, nullptr, 10) : 0;
        if (request.size() >= body + 4 + size) break;
    }
    return request;
}

void infer(int client, const std::string& request) {
    const size_t start = request.find("RIFF");
    const long milliseconds = start == std::string::npos ? -1 : wave::milliseconds(request.substr(start));
    if (milliseconds < 0) respond(client, "400 Bad Request", "{\"error\":\"no recording in the request\"}");
    else respond(client, "200 OK", "{\"text\":\"" + std::to_string(milliseconds) + " ms of sound\"}");
}

}  // namespace

int main(int argc, char** argv) {
    const std::string model = option(argc, argv, "--model", "-m", "");
    if (model.empty() || !std::ifstream(model)) {
        std::fprintf(stderr, "cannot read the model '%s'\n", model.c_str());
        return 1;
    }
    int listener = tcp::listen_on(option(argc, argv, "--host", "--host", "127.0.0.1"), option(argc, argv, "--port", "--port", "8178"));
    for (;;) {
        int client = tcp::next_client(listener);
        if (client < 0) continue;
        const std::string request = whole_request(client);
        if (request.rfind("GET /health ", 0) == 0) respond(client, "200 OK", "{\"status\":\"ok\"}");
        else if (request.rfind("POST /inference ", 0) == 0) infer(client, request);
        else respond(client, "404 Not Found", "{\"error\":\"no such page\"}");
        close(client);
    }
}
