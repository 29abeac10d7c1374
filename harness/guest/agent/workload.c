/* Role `workload`: a ledger on ext4, one fsync per entry; an entry is announced before it is written and after it is safe. */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
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

static bool enter(int *descriptor, struct ledger_reading *so_far)
{
    int error = filesystem_mount();
    if (error != 0)
        port_say("error mount errno=%d %s", error, strerror(error));
    *descriptor = error == 0 ? open_ledger(so_far) : -1;
    return *descriptor >= 0;
}

static bool shrink(uint64_t bytes, int *descriptor, struct ledger_reading *so_far)
{
    close(*descriptor);
    *descriptor = -1;
    return filesystem_unmount() == 0 && filesystem_shrink(bytes) && enter(descriptor, so_far);
}

/* Between two entries the harness may have the file system follow its disk ("grow BYTES"), or go before it ("shrink BYTES").
 * False: it could not be done. */
static bool obey(int *descriptor, struct ledger_reading *so_far)
{
    char line[64], verb[16];
    unsigned long long bytes;
    if (!port_hear(line, sizeof line, 0))
        return true;
    bool known = sscanf(line, "%15s %llu", verb, &bytes) == 2;
    bool done = false;
    if (known && strcmp(verb, "grow") == 0)
        done = filesystem_grow(bytes);
    else if (known && strcmp(verb, "shrink") == 0)
        done = shrink(bytes, descriptor, so_far);
    if (done)
        port_say("resized %s %llu filesystem=%llu", verb, bytes, (unsigned long long)filesystem_bytes());
    else
        port_say("error resize %s", line);
    return done;
}

static void write_entries(int *descriptor, struct ledger_reading *so_far)
{
    uint64_t limit = option_number("entries", 0), seed = option_number("seed", 1), pause = option_number("delay_us", 0);
    struct ledger_record record;
    char hex[SHA256_HEX];
    for (uint64_t done = 0; (limit == 0 || done < limit) && obey(descriptor, so_far); done++) {
        ledger_make(&record, so_far->entries + 1, so_far->last, seed);
        port_say("beg %llu", (unsigned long long)record.index);
        if (!append(*descriptor, &record)) {
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
    write_entries(&descriptor, &so_far);
    if (descriptor >= 0)
        close(descriptor);
    int error = filesystem_unmount();
    port_say("end workload entries=%llu unmount=%d", (unsigned long long)so_far.entries, error);
}
