// whisper-cli's place: refuses a recording that is none, else says how long it is.
#include <cstdio>
#include <fstream>
#include <iterator>

#include "wave.hpp"

int main(int argc, char** argv) {
    if (argc < 2) {
        std::fprintf(stderr, "usage: whisper-cli RECORDING.wav\n");
        return 2;
    }
    std::ifstream file(argv[argc - 1], std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    const long milliseconds = wave::milliseconds(bytes);
    if (milliseconds < 0) {
        std::fprintf(stderr, "%s is no recording\n", argv[argc - 1]);
        return 1;
    }
    std::printf("%ld ms of sound\n", milliseconds);
}
