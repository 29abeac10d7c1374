/* What the files of the guest agent offer one another. The agent is PID 1 of a guest that does one job (its role). */
#ifndef MOUNTPROOF_AGENT_H
#define MOUNTPROOF_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISK "/dev/vda"         /* the disk under work or under proof */
#define EXTENTS_DISK "/dev/vdb" /* optional: where the data of DISK lies, as text */
#define MOUNT_POINT "/mnt"
#define LEDGER_PATH MOUNT_POINT "/ledger"

/* options.c: the words mp.NAME=VALUE of the kernel's command line */
void options_load(void);
const char *option_text(const char *name, const char *otherwise);
uint64_t option_number(const char *name, uint64_t otherwise);

/* port.c: the line protocol with the harness */
void port_open(void);
void port_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
bool port_hear(char *line, size_t size, int wait_ms); /* one line of the harness, without its end; false: none came */

/* clock.c */
uint64_t clock_ms(void); /* since the guest's kernel started */
double clock_seconds(void);
void clock_sleep_us(uint64_t microseconds);

/* modules.c */
void modules_load(void);

/* random.c: splitmix64, the same as the page format's mix() */
uint64_t random_mix(uint64_t x);
uint64_t random_next(uint64_t *state);
uint64_t random_below(uint64_t *state, uint64_t limit);

/* sha256.c */
#define SHA256_BYTES 32
#define SHA256_HEX 65 /* with the closing NUL */
struct sha256 {
    uint32_t state[8];
    uint64_t length;
    uint8_t block[64];
};
void sha256_start(struct sha256 *hash);
void sha256_add(struct sha256 *hash, const void *data, size_t length);
void sha256_finish(struct sha256 *hash, uint8_t digest[SHA256_BYTES]);
void sha256_hex(const uint8_t digest[SHA256_BYTES], char hex[SHA256_HEX]);

/* command.c: runs a program; every line of its output goes to the port as `out NAME LINE` */
int command_run(const char *name, char *const arguments[]); /* exit status, or -1 */

/* filesystem.c */
bool disk_appears(const char *path);
int64_t disk_size(int descriptor);
const char *filesystem_identify(int descriptor); /* NULL: the superblock could not be read */
bool filesystem_is_ext(const char *type);
bool filesystem_format(uint64_t seed);
int filesystem_mount(void); /* 0 or errno */
int filesystem_unmount(void);
bool filesystem_prepare(void); /* wait for the disk, format it if told to, mount it */
bool filesystem_grow(uint64_t bytes);   /* mounted: wait until the disk has that size, then fill it */
bool filesystem_shrink(uint64_t bytes); /* unmounted: to that size, the disk itself stays as it is */
uint64_t filesystem_bytes(void);        /* of the ext file system on the disk; 0: not readable */
uint64_t filesystem_errors(void); /* errors the kernel's ext4 has recorded since the disk was formatted */
unsigned device_errors(void);  /* I/O errors of DISK in the kernel's log */

/* ledger.c: the hash chain in a file */
#define LEDGER_RECORD 512
struct ledger_record {
    uint8_t magic[8];
    uint64_t index;
    uint8_t previous[SHA256_BYTES];
    uint8_t payload[432];
    uint8_t hash[SHA256_BYTES]; /* of everything above */
};
struct ledger_reading {
    uint64_t entries;
    uint8_t last[SHA256_BYTES];
    uint64_t tail; /* bytes after the last whole entry */
    bool intact;
    const char *reason;
};
void ledger_make(struct ledger_record *record, uint64_t index, const uint8_t previous[SHA256_BYTES], uint64_t seed);
void ledger_read(int descriptor, struct ledger_reading *reading);

/* page.c: the self-describing page of the raw workload */
#define PAGE 512
void page_fill(uint8_t page[PAGE], uint32_t volume, uint64_t write, uint64_t index);

/* digest.c: what a disk holds, as one digest */
struct contents {
    uint64_t chunks;
    uint8_t digest[SHA256_BYTES];
    int error;
};
void contents_digest(int descriptor, uint64_t size, struct contents *contents);

/* the roles */
void workload_run(void);
void raw_run(void);
void fsyncbench_run(void);
void prove_run(void);

#endif
