/* Role `prove`: can a machine use this disk? Mount it as the kernel would, check the ledger, unmount, then check every structure.
 *
 * Nothing is repaired but by the kernel's own journal replay: e2fsck runs read-only, after the mount (before it, a
 * legal crash image makes it exit 4). A disk without a file system that this kernel mounts is read and digested instead.
 */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct outcome {
    bool bad;
    const char *reason;
};

static uint64_t step_started;

static uint64_t step_ms(void)
{
    uint64_t now = clock_ms(), spent = now - step_started;
    step_started = now;
    return spent;
}

static void blame(struct outcome *outcome, const char *reason)
{
    if (!outcome->bad)
        outcome->reason = reason;
    outcome->bad = true;
}

static void prove_ledger(struct outcome *outcome)
{
    struct ledger_reading reading;
    char last[SHA256_HEX];
    int descriptor = open(LEDGER_PATH, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) {
        port_say("step ledger present=0 errno=%d ms=%llu", errno, (unsigned long long)step_ms());
        if (errno != ENOENT)
            blame(outcome, "ledger-unreadable");
        return;
    }
    ledger_read(descriptor, &reading);
    close(descriptor);
    sha256_hex(reading.last, last);
    port_say("step ledger present=1 entries=%llu last=%s ok=%d tail=%llu reason=%s ms=%llu",
             (unsigned long long)reading.entries, last, reading.intact, (unsigned long long)reading.tail, reading.reason,
             (unsigned long long)step_ms());
    if (!reading.intact)
        blame(outcome, "ledger");
}

static bool prove_mount(struct outcome *outcome)
{
    int error = filesystem_mount();
    uint64_t errors = error == 0 ? filesystem_errors() : 0;
    port_say("step mount result=%s errno=%d errors=%llu ms=%llu", error == 0 ? "ok" : "failed", error,
             (unsigned long long)errors, (unsigned long long)step_ms());
    if (error != 0)
        blame(outcome, "mount");
    else if (errors > 0)
        blame(outcome, "file-system-errors");
    return error == 0;
}

static void prove_unmount(struct outcome *outcome)
{
    uint64_t errors = filesystem_errors();
    int error = filesystem_unmount();
    port_say("step unmount result=%s errno=%d errors=%llu ms=%llu", error == 0 ? "ok" : "failed", error,
             (unsigned long long)errors, (unsigned long long)step_ms());
    if (error != 0)
        blame(outcome, "unmount");
    else if (errors > 0)
        blame(outcome, "file-system-errors");
}

static void check_structures(struct outcome *outcome)
{
    char *const arguments[] = {"/sbin/e2fsck", "-fn", DISK, NULL};
    int status = command_run("e2fsck", arguments);
    port_say("step e2fsck exit=%d ms=%llu", status, (unsigned long long)step_ms());
    if (status != 0)
        blame(outcome, "e2fsck");
}

static void read_contents(uint64_t size, struct outcome *outcome)
{
    struct contents contents;
    char hex[SHA256_HEX];
    int descriptor = open(DISK, O_RDONLY | O_DIRECT | O_CLOEXEC);
    if (descriptor < 0) {
        blame(outcome, "read");
        return;
    }
    contents_digest(descriptor, size, &contents);
    close(descriptor);
    sha256_hex(contents.digest, hex);
    if (contents.error != 0) {
        port_say("step read size=%llu errno=%d ms=%llu", (unsigned long long)size, contents.error,
                 (unsigned long long)step_ms());
        blame(outcome, "read");
        return;
    }
    port_say("step read size=%llu digest=%s chunks=%llu ms=%llu", (unsigned long long)size, hex,
             (unsigned long long)contents.chunks, (unsigned long long)step_ms());
}

static void prove_ext(struct outcome *outcome)
{
    if (prove_mount(outcome)) {
        prove_ledger(outcome);
        prove_unmount(outcome);
    }
    check_structures(outcome);
}

static bool open_disk(int *descriptor, int64_t *size)
{
    *descriptor = disk_appears(DISK) ? open(DISK, O_RDONLY | O_CLOEXEC) : -1;
    *size = *descriptor < 0 ? -1 : disk_size(*descriptor);
    port_say("step device size=%lld ms=%llu", (long long)*size, (unsigned long long)step_ms());
    return *size >= 0;
}

static void prove_disk(struct outcome *outcome)
{
    int descriptor;
    int64_t size;
    if (!open_disk(&descriptor, &size)) {
        blame(outcome, "no-disk");
        return;
    }
    const char *type = filesystem_identify(descriptor);
    close(descriptor);
    port_say("step filesystem type=%s ms=%llu", type == NULL ? "unreadable" : type, (unsigned long long)step_ms());
    if (type == NULL) {
        blame(outcome, "superblock-unreadable");
        return;
    }
    /* Before the mount: the journal's replay changes what is read. */
    bool mountable = filesystem_is_ext(type);
    if (!mountable || option_number("read", 0))
        read_contents((uint64_t)size, outcome);
    if (mountable)
        prove_ext(outcome);
    else
        port_say("step mount result=not-applicable errno=0 errors=0 ms=0");
}

void prove_run(void)
{
    struct outcome outcome = {false, "none"};
    step_started = clock_ms();
    port_say("ready prove %llu", (unsigned long long)step_started);
    prove_disk(&outcome);
    /* A disk that could not be read through is not shown to be bad. */
    unsigned errors = device_errors();
    if (errors > 0)
        port_say("end verdict=inconclusive reason=device-errors errors=%u", errors);
    else
        port_say("end verdict=%s reason=%s errors=0", outcome.bad ? "bad" : "good", outcome.reason);
}
