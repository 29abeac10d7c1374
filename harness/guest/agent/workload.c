/* Role `workload`: a ledger on ext4, one fsync per entry; an entry is announced before it is written and after it is safe. */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static int open_ledger(struct ledger_reading *so_far)
{
    int descriptor = open(LEDGER_PATH, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (descriptor < 0) {
        port_say("error ledger errno=%d %s", errno, strerror(errno));
        return -1;
    }
    ledger_read(descriptor, so_far);
    if (!so_far->intact || ftruncate(descriptor, (off_t)(so_far->entries * LEDGER_RECORD)) != 0) {
        port_say("error ledger the ledger on the disk is damaged: %s", so_far->reason);
        close(descriptor);
        return -1;
    }
    return descriptor;
}

static bool append(int descriptor, const struct ledger_record *record)
{
    off_t offset = (off_t)((record->index - 1) * LEDGER_RECORD);
    errno = EIO; /* for a short write, which sets no errno */
    return pwrite(descriptor, record, sizeof *record, offset) == (ssize_t)sizeof *record && fsync(descriptor) == 0;
}

static void write_entries(int descriptor, struct ledger_reading *so_far)
{
    uint64_t limit = option_number("entries", 0), seed = option_number("seed", 1), pause = option_number("delay_us", 0);
    struct ledger_record record;
    char hex[SHA256_HEX];
    for (uint64_t done = 0; limit == 0 || done < limit; done++) {
        ledger_make(&record, so_far->entries + 1, so_far->last, seed);
        port_say("beg %llu", (unsigned long long)record.index);
        if (!append(descriptor, &record)) {
            port_say("error append index=%llu errno=%d %s", (unsigned long long)record.index, errno, strerror(errno));
            return;
        }
        sha256_hex(record.hash, hex);
        port_say("ack %llu %s", (unsigned long long)record.index, hex);
        memcpy(so_far->last, record.hash, SHA256_BYTES);
        so_far->entries++;
        if (pause > 0)
            clock_sleep_us(pause);
    }
}

void workload_run(void)
{
    struct ledger_reading so_far;
    int descriptor = filesystem_prepare() ? open_ledger(&so_far) : -1;
    if (descriptor < 0) {
        port_say("end workload entries=0");
        return;
    }
    port_say("ready workload %llu", (unsigned long long)clock_ms());
    write_entries(descriptor, &so_far);
    close(descriptor);
    int error = filesystem_unmount();
    port_say("end workload entries=%llu unmount=%d", (unsigned long long)so_far.entries, error);
}
