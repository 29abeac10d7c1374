/* Role `fsyncbench`: how many 4 KiB appends with fsync a second the disk takes under ext4. */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define APPEND_BYTES 4096

static uint64_t append_and_sync(int descriptor, uint64_t times)
{
    uint8_t data[APPEND_BYTES];
    uint64_t state = option_number("seed", 1);
    for (uint64_t done = 0; done < times; done++) {
        for (size_t i = 0; i < sizeof data; i += 8) {
            uint64_t word = random_next(&state);
            memcpy(data + i, &word, 8);
        }
        if (write(descriptor, data, sizeof data) != (ssize_t)sizeof data || fsync(descriptor) != 0)
            return done;
    }
    return times;
}

void fsyncbench_run(void)
{
    uint64_t times = option_number("entries", 500);
    bool mounted = filesystem_prepare();
    int descriptor = mounted ? open(MOUNT_POINT "/bench", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0644) : -1;
    if (descriptor < 0) {
        port_say("end fsyncbench failed");
        return;
    }
    port_say("ready fsyncbench %llu", (unsigned long long)clock_ms());
    double start = clock_seconds();
    uint64_t done = append_and_sync(descriptor, times);
    double seconds = clock_seconds() - start;
    if (done < times)
        port_say("error append after=%llu errno=%d %s", (unsigned long long)done, errno, strerror(errno));
    port_say("fsyncs %llu seconds %.6f", (unsigned long long)done, seconds);
    close(descriptor);
    filesystem_unmount();
    port_say("end fsyncbench");
}
