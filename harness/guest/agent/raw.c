/* Role `raw`: self-describing pages written straight to the disk by several threads, every write announced (inv, done).
 *
 * Two overlapping writes are never in flight together, since their order would be nobody's promise. Flushes come in the
 * midst of other writes (only what was done before is covered) and, one time in four, after all writes are done.
 */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#define MAX_THREADS 32
#define MAX_PAGES 512 /* 256 KiB */

enum kind { PLAIN, ZERO, FUA, FLUSH };

struct operation {
    enum kind kind;
    uint64_t number;
    uint64_t first; /* pages */
    uint64_t pages; /* 0: the slot is idle or a flush */
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct operation slots[MAX_THREADS];
    unsigned writing;  /* writes in flight */
    bool draining;     /* a flush waits until no write is in flight */
    bool failed;
    uint64_t random, writes, flushes;
    int disk;
    uint64_t disk_pages, limit, flush_every, pause_us;
    uint32_t volume;
} work = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static uint64_t choose_length(void)
{
    uint64_t kind = random_below(&work.random, 10);
    uint64_t most = kind < 5 ? 8 : kind < 8 ? 64 : MAX_PAGES;
    if (most > work.disk_pages)
        most = work.disk_pages;
    return 1 + random_below(&work.random, most);
}

static bool is_free(uint64_t first, uint64_t pages)
{
    for (unsigned i = 0; i < MAX_THREADS; i++) {
        const struct operation *other = &work.slots[i];
        if (first < other->first + other->pages && other->first < first + pages)
            return false;
    }
    return true;
}

static enum kind choose_kind(void)
{
    uint64_t draw = random_below(&work.random, 64);
    if (option_number("zero", 1) && draw < 2)
        return ZERO;
    return draw < 6 ? FUA : PLAIN;
}

static void place_write(struct operation *slot)
{
    uint64_t pages = choose_length(), first = random_below(&work.random, work.disk_pages - pages + 1);
    for (unsigned tries = 1; !is_free(first, pages); tries++) {
        if (tries % 64 == 0) /* a small span may have no room left */
            pthread_cond_wait(&work.changed, &work.lock);
        pages = choose_length();
        first = random_below(&work.random, work.disk_pages - pages + 1);
    }
    *slot = (struct operation){choose_kind(), ++work.writes, first, pages};
    work.writing++;
    static const char *const marks[] = {"", " zero", " fua"};
    port_say("inv %llu %llu %llu%s", (unsigned long long)slot->number, (unsigned long long)first * PAGE,
             (unsigned long long)pages * PAGE, marks[slot->kind]);
}

static void place_flush(struct operation *slot)
{
    if (random_below(&work.random, 4) == 0) {
        work.draining = true;
        while (work.writing > 0)
            pthread_cond_wait(&work.changed, &work.lock);
        work.draining = false;
        pthread_cond_broadcast(&work.changed);
    }
    *slot = (struct operation){FLUSH, ++work.flushes, 0, 0};
    port_say("flush %llu", (unsigned long long)slot->number);
}

/* False: the work is at its end. */
static bool take(struct operation *slot)
{
    pthread_mutex_lock(&work.lock);
    while (work.draining)
        pthread_cond_wait(&work.changed, &work.lock);
    bool more = !work.failed && (work.limit == 0 || work.writes < work.limit);
    if (more && work.flush_every > 0 && random_below(&work.random, work.flush_every) == 0)
        place_flush(slot);
    else if (more)
        place_write(slot);
    pthread_mutex_unlock(&work.lock);
    return more;
}

static void finish(struct operation *slot, int error)
{
    unsigned long long number = slot->number;
    pthread_mutex_lock(&work.lock);
    if (error == 0)
        port_say(slot->kind == FLUSH ? "flushed %llu" : "done %llu", number);
    else
        port_say(slot->kind == FLUSH ? "error flush %llu errno=%d" : "fail %llu %d", number, error);
    if (slot->kind != FLUSH)
        work.writing--;
    work.failed = work.failed || error != 0;
    *slot = (struct operation){PLAIN, 0, 0, 0};
    pthread_cond_broadcast(&work.changed);
    pthread_mutex_unlock(&work.lock);
}

static int zero_out(const struct operation *operation)
{
    uint64_t range[2] = {operation->first * PAGE, operation->pages * PAGE};
    return ioctl(work.disk, BLKZEROOUT, range) == 0 ? 0 : errno;
}

static int write_pages(const struct operation *operation, uint8_t *buffer)
{
    for (uint64_t i = 0; i < operation->pages; i++)
        page_fill(buffer + i * PAGE, work.volume, operation->number, operation->first + i);
    struct iovec vector = {buffer, operation->pages * PAGE};
    int flags = operation->kind == FUA ? RWF_DSYNC : 0;
    errno = EIO; /* for a short write */
    ssize_t written = pwritev2(work.disk, &vector, 1, (off_t)(operation->first * PAGE), flags);
    return written == (ssize_t)vector.iov_len ? 0 : errno;
}

static int perform(const struct operation *operation, uint8_t *buffer)
{
    switch (operation->kind) {
    case FLUSH:
        return fdatasync(work.disk) == 0 ? 0 : errno;
    case ZERO:
        return zero_out(operation);
    default:
        return write_pages(operation, buffer);
    }
}

static void *run_thread(void *slot)
{
    void *buffer;
    if (posix_memalign(&buffer, 4096, MAX_PAGES * PAGE) != 0)
        return NULL;
    while (take(slot)) {
        finish(slot, perform(slot, buffer));
        if (work.pause_us > 0)
            clock_sleep_us(work.pause_us);
    }
    free(buffer);
    return NULL;
}

static bool open_disk(void)
{
    uint8_t page[PAGE];
    page_fill(page, 1, 1, 0); /* makes the checksum's table before there are threads */
    work.disk = disk_appears(DISK) ? open(DISK, O_RDWR | O_DIRECT | O_CLOEXEC) : -1;
    int64_t size = work.disk < 0 ? -1 : disk_size(work.disk);
    if (size < PAGE) {
        port_say("error disk " DISK " cannot be opened, errno=%d", errno);
        return false;
    }
    uint64_t span = option_number("span_bytes", (uint64_t)size);
    work.disk_pages = (span < (uint64_t)size ? span : (uint64_t)size) / PAGE;
    return true;
}

void raw_run(void)
{
    pthread_t threads[MAX_THREADS];
    unsigned count = (unsigned)option_number("inflight", 4);
    count = count < 1 ? 1 : count > MAX_THREADS ? MAX_THREADS : count;
    work.random = option_number("seed", 1);
    work.limit = option_number("entries", 0);
    work.flush_every = option_number("flush_every", 16);
    work.pause_us = option_number("delay_us", 0);
    work.volume = (uint32_t)option_number("volume", 1);
    if (!open_disk()) {
        port_say("end raw writes=0");
        return;
    }
    port_say("ready raw %llu", (unsigned long long)clock_ms());
    for (unsigned i = 0; i < count; i++)
        if (pthread_create(&threads[i], NULL, run_thread, &work.slots[i]) != 0)
            count = i;
    for (unsigned i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    port_say("end raw writes=%llu flushes=%llu", (unsigned long long)work.writes, (unsigned long long)work.flushes);
}
