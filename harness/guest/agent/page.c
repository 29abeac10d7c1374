/* The self-describing page: from its 512 bytes alone one can tell which write put it where (harness/oracle/pages.py reads it). */
#include "agent.h"

#include <string.h>

#define GOLDEN UINT64_C(0x9E3779B97F4A7C15)

static uint32_t crc_table[256];

static void make_table(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t value = i;
        for (int bit = 0; bit < 8; bit++)
            value = (value >> 1) ^ (value & 1 ? 0xEDB88320u : 0);
        crc_table[i] = value;
    }
}

static uint32_t crc32(const uint8_t *data, size_t length)
{
    uint32_t value = 0xFFFFFFFFu;
    for (size_t i = 0; i < length; i++)
        value = (value >> 8) ^ crc_table[(value ^ data[i]) & 0xFF];
    return value ^ 0xFFFFFFFFu;
}

void page_fill(uint8_t page[PAGE], uint32_t volume, uint64_t write, uint64_t index)
{
    if (crc_table[1] == 0)
        make_table();
    uint64_t key = random_mix(random_mix(random_mix(volume) ^ write) ^ index);
    memset(page, 0, PAGE);
    memcpy(page, "MPPAGE01", 8);
    memcpy(page + 8, &volume, 4);
    memcpy(page + 16, &write, 8);
    memcpy(page + 24, &index, 8);
    for (uint64_t i = 0; i < 59; i++) {
        uint64_t word = key ^ ((i + 1) * GOLDEN);
        memcpy(page + 32 + 8 * i, &word, 8);
    }
    uint32_t check = crc32(page, 508);
    memcpy(page + 508, &check, 4);
}
