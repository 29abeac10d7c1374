/* What a disk holds, as one digest that does not depend on how its extents are listed.
 *
 * SHA-256 over every 64 KiB-aligned chunk that has a non-zero byte, ascending: offset and length (u64, little endian), data.
 * The extents disk, where there is one, only says where to look: text lines `OFFSET LENGTH`, padded with NULs.
 */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK 65536u
#define READ_BYTES (1u << 20)

struct reader {
    int descriptor;
    uint64_t size;
    uint64_t next; /* everything below is done */
    uint8_t *buffer;
    struct sha256 hash;
    struct contents *contents;
};

static bool all_zero(const uint8_t *data, size_t length)
{
    return data[0] == 0 && memcmp(data, data + 1, length - 1) == 0;
}

static void add_chunk(struct reader *reader, uint64_t offset, const uint8_t *data, uint64_t length)
{
    if (all_zero(data, length))
        return;
    sha256_add(&reader->hash, &offset, sizeof offset);
    sha256_add(&reader->hash, &length, sizeof length);
    sha256_add(&reader->hash, data, length);
    reader->contents->chunks++;
}

static bool add_extent(struct reader *reader, uint64_t offset, uint64_t length)
{
    uint64_t at = offset / CHUNK * CHUNK, end = (offset + length + CHUNK - 1) / CHUNK * CHUNK;
    if (at < reader->next)
        at = reader->next;
    if (end > reader->size)
        end = reader->size;
    while (at < end) {
        size_t wanted = end - at < READ_BYTES ? (size_t)(end - at) : READ_BYTES;
        errno = EIO;
        if (pread(reader->descriptor, reader->buffer, wanted, (off_t)at) != (ssize_t)wanted) {
            reader->contents->error = errno;
            return false;
        }
        for (size_t i = 0; i < wanted; i += CHUNK)
            add_chunk(reader, at + i, reader->buffer + i, wanted - i < CHUNK ? wanted - i : CHUNK);
        at += wanted;
    }
    if (end > reader->next)
        reader->next = end;
    return true;
}

static void add_listed(struct reader *reader, FILE *list)
{
    char line[64];
    while (fgets(line, sizeof line, list) != NULL) {
        unsigned long long offset, length;
        if (sscanf(line, "%llu %llu", &offset, &length) != 2)
            break;
        if (!add_extent(reader, offset, length))
            break;
    }
}

void contents_digest(int descriptor, uint64_t size, struct contents *contents)
{
    struct reader reader = {descriptor, size, 0, NULL, {{0}, 0, {0}}, contents};
    memset(contents, 0, sizeof *contents);
    sha256_start(&reader.hash);
    if (posix_memalign((void **)&reader.buffer, 4096, READ_BYTES) != 0) {
        contents->error = ENOMEM;
        return;
    }
    FILE *list = option_number("extents", 0) && disk_appears(EXTENTS_DISK) ? fopen(EXTENTS_DISK, "re") : NULL;
    if (list != NULL) {
        add_listed(&reader, list);
        fclose(list);
    } else {
        add_extent(&reader, 0, size);
    }
    free(reader.buffer);
    sha256_finish(&reader.hash, contents->digest);
}
