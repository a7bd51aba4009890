// The length of a recording: the one thing that this project knows about it.
#pragma once

#include <string>

namespace wave {

inline unsigned long little_endian(const std::string& bytes, size_t at, size_t size) {
    unsigned long value = 0;
    for (size_t i = size; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
    return value;
}

// The length of a WAVE file with the plain header of 44 bytes; -1 for anything else.
inline long milliseconds(const std::string& bytes) {
    if (bytes.size() < 44 || bytes.compare(0, 4, "RIFF") != 0 || bytes.compare(8, 4, "WAVE") != 0) return -1;
    const unsigned long per_second = little_endian(bytes, 28, 4);
    const unsigned long size = little_endian(bytes, 40, 4);
    if (per_second == 0 || bytes.size() < 44 + size) return -1;
    return static_cast<long>(size * 1000 / per_second);
}

}  // namespace wave
