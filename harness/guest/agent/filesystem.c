/* The disk and its file system: find it, name it, format it, mount it, and ask the kernel what went wrong with it. */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <unistd.h>

#define PATIENCE_MS 20000
#define HEAD_BYTES 69632 /* up to and with the btrfs superblock's first page */
#define SYSLOG_READ_ALL 3

bool disk_appears(const char *path)
{
    for (uint64_t deadline = clock_ms() + PATIENCE_MS; clock_ms() < deadline; clock_sleep_us(1000))
        if (access(path, F_OK) == 0)
            return true;
    return false;
}

int64_t disk_size(int descriptor)
{
    uint64_t size = 0;
    return ioctl(descriptor, BLKGETSIZE64, &size) == 0 ? (int64_t)size : -1;
}

static uint32_t little32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static const char *name_of_ext(const uint8_t *superblock)
{
    const uint32_t has_journal = 0x4, extents = 0x40;
    if (little32(superblock + 96) & extents)
        return "ext4";
    return little32(superblock + 92) & has_journal ? "ext3" : "ext2";
}

static const char *identify(const uint8_t *head)
{
    if (head[1024 + 56] == 0x53 && head[1024 + 57] == 0xEF)
        return name_of_ext(head + 1024);
    if (memcmp(head, "XFSB", 4) == 0)
        return "xfs";
    if (memcmp(head + 65536 + 64, "_BHRfS_M", 8) == 0)
        return "btrfs";
    if (memcmp(head + 3, "NTFS    ", 8) == 0)
        return "ntfs";
    if (memcmp(head + 512, "EFI PART", 8) == 0)
        return "partition-table";
    return "none";
}

const char *filesystem_identify(int descriptor)
{
    static uint8_t head[HEAD_BYTES];
    memset(head, 0, sizeof head);
    /* A disk smaller than the head is read as far as it goes; the rest stays zero. */
    ssize_t length = pread(descriptor, head, sizeof head, 0);
    return length < 0 ? NULL : identify(head);
}

bool filesystem_is_ext(const char *type)
{
    return strncmp(type, "ext", 3) == 0;
}

bool filesystem_format(uint64_t seed)
{
    /* The identifiers come from the seed: the same seed makes the same disk, and no boot waits for entropy. */
    char uuid[40], features[160];
    uint64_t high = random_mix(seed), low = random_mix(high);
    snprintf(uuid, sizeof uuid, "%08x-%04x-4%03x-8%03x-%012llx", (unsigned)(high >> 32), (unsigned)(high >> 16) & 0xffff,
             (unsigned)high & 0xfff, (unsigned)(low >> 48) & 0xfff, (unsigned long long)(low & 0xffffffffffff));
    snprintf(features, sizeof features, "nodiscard,lazy_itable_init=1,hash_seed=%s", uuid);
    char *const arguments[] = {"/sbin/mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-I", "256", "-m", "0",
                               "-U", uuid, "-E", features, DISK, NULL};
    return command_run("mke2fs", arguments) == 0;
}

int filesystem_mount(void)
{
    /* noinit_itable: no background writer of the kernel beside the workload. */
    return mount(DISK, MOUNT_POINT, "ext4", 0, "noinit_itable") == 0 ? 0 : errno;
}

int filesystem_unmount(void)
{
    return umount(MOUNT_POINT) == 0 ? 0 : errno;
}

bool filesystem_prepare(void)
{
    if (!disk_appears(DISK)) {
        port_say("error disk " DISK " did not appear");
        return false;
    }
    if (option_number("format", 0) && !filesystem_format(option_number("seed", 1))) {
        port_say("error format mke2fs failed");
        return false;
    }
    int error = filesystem_mount();
    if (error != 0)
        port_say("error mount errno=%d %s", error, strerror(error));
    return error == 0;
}

uint64_t filesystem_errors(void)
{
    char text[32] = "";
    int descriptor = open("/sys/fs/ext4/vda/errors_count", O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return 0;
    ssize_t length = read(descriptor, text, sizeof text - 1);
    close(descriptor);
    return length > 0 ? strtoull(text, NULL, 10) : 0;
}

unsigned device_errors(void)
{
    static char log[1 << 18];
    unsigned errors = 0;
    int length = klogctl(SYSLOG_READ_ALL, log, sizeof log - 1);
    log[length > 0 ? length : 0] = '\0';
    for (char *at = log; (at = strstr(at, "I/O error, dev vda")) != NULL; at++)
        errors++;
    return errors;
}

uint64_t filesystem_bytes(void)
{
    uint8_t superblock[32];
    int descriptor = open(DISK, O_RDONLY | O_CLOEXEC);
    ssize_t length = descriptor < 0 ? -1 : pread(descriptor, superblock, sizeof superblock, 1024);
    if (descriptor >= 0)
        close(descriptor);
    if (length != (ssize_t)sizeof superblock)
        return 0;
    return (uint64_t)little32(superblock + 4) << (10 + little32(superblock + 24));
}

static bool disk_has(uint64_t bytes)
{
    for (uint64_t deadline = clock_ms() + PATIENCE_MS; clock_ms() < deadline; clock_sleep_us(1000)) {
        int descriptor = open(DISK, O_RDONLY | O_CLOEXEC);
        int64_t size = descriptor < 0 ? -1 : disk_size(descriptor);
        if (descriptor >= 0)
            close(descriptor);
        if (size == (int64_t)bytes)
            return true;
    }
    return false;
}

bool filesystem_grow(uint64_t bytes)
{
    char *const arguments[] = {"/sbin/resize2fs", DISK, NULL};
    return disk_has(bytes) && command_run("resize2fs", arguments) == 0;
}

bool filesystem_shrink(uint64_t bytes)
{
    /* resize2fs wants a file system that was just checked; -p mends nothing that needs a decision. */
    char sectors[32];
    snprintf(sectors, sizeof sectors, "%llus", (unsigned long long)bytes / 512);
    char *const check[] = {"/sbin/e2fsck", "-f", "-p", DISK, NULL};
    char *const resize[] = {"/sbin/resize2fs", DISK, sectors, NULL};
    int checked = command_run("e2fsck", check);
    return (checked == 0 || checked == 1) && command_run("resize2fs", resize) == 0;
}
