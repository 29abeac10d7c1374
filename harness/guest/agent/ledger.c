/* The ledger: 512-byte records, each with the hash of the one before it, and how such a file is judged.
 *
 * An append into a block that is already mapped may reach the journal as a longer file before its data is
 * there (ext4, data=ordered), so one record of zeros after the last whole entry is a legal crash image of an entry
 * that was never acknowledged. Anything else after the last whole entry is damage.
 */
#include "agent.h"

#include <string.h>
#include <unistd.h>

static const uint8_t MAGIC[8] = {'M', 'P', 'L', 'E', 'D', 'G', 'R', '1'};

_Static_assert(sizeof(struct ledger_record) == LEDGER_RECORD, "a ledger record fills one sector");

static void hash_of(const struct ledger_record *record, uint8_t hash[SHA256_BYTES])
{
    struct sha256 state;
    sha256_start(&state);
    sha256_add(&state, record, offsetof(struct ledger_record, hash));
    sha256_finish(&state, hash);
}

void ledger_make(struct ledger_record *record, uint64_t index, const uint8_t previous[SHA256_BYTES], uint64_t seed)
{
    uint64_t state = random_mix(seed) ^ random_mix(index);
    memcpy(record->magic, MAGIC, sizeof MAGIC);
    record->index = index;
    memcpy(record->previous, previous, SHA256_BYTES);
    for (size_t i = 0; i < sizeof record->payload; i += 8) {
        uint64_t word = random_next(&state);
        memcpy(record->payload + i, &word, 8);
    }
    hash_of(record, record->hash);
}

static const char *fault_of(const struct ledger_record *record, const struct ledger_reading *so_far)
{
    uint8_t hash[SHA256_BYTES];
    if (memcmp(record->magic, MAGIC, sizeof MAGIC) != 0)
        return "not-a-record";
    hash_of(record, hash);
    if (memcmp(hash, record->hash, SHA256_BYTES) != 0)
        return "record-hash";
    if (record->index != so_far->entries + 1)
        return "index";
    if (memcmp(record->previous, so_far->last, SHA256_BYTES) != 0)
        return "chain";
    return NULL;
}

static bool only_zeros(const struct ledger_record *record)
{
    static const struct ledger_record zeros;
    return memcmp(record, &zeros, sizeof zeros) == 0;
}

void ledger_read(int descriptor, struct ledger_reading *reading)
{
    struct ledger_record record;
    memset(reading, 0, sizeof *reading);
    reading->reason = "none";
    ssize_t length;
    uint64_t offset = 0;
    while ((length = pread(descriptor, &record, sizeof record, (off_t)offset)) == (ssize_t)sizeof record) {
        const char *fault = fault_of(&record, reading);
        if (fault != NULL) {
            reading->reason = only_zeros(&record) ? "unwritten-tail" : fault;
            break;
        }
        reading->entries++;
        memcpy(reading->last, record.hash, SHA256_BYTES);
        offset += sizeof record;
    }
    if (length < 0)
        reading->reason = "read-error";
    off_t end = lseek(descriptor, 0, SEEK_END);
    reading->tail = end < 0 ? 0 : (uint64_t)end - offset;
    bool zero_tail = strcmp(reading->reason, "unwritten-tail") == 0 && reading->tail == LEDGER_RECORD;
    reading->intact = length >= 0 && end >= 0 && (reading->tail == 0 || zero_tail);
    if (!reading->intact && strcmp(reading->reason, "none") == 0)
        reading->reason = "partial-record";
}
