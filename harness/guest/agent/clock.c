/* Time inside the guest: a count from the kernel's start, for durations only. */
#include "agent.h"

#include <time.h>

double clock_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

uint64_t clock_ms(void)
{
    return (uint64_t)(clock_seconds() * 1000.0);
}

void clock_sleep_us(uint64_t microseconds)
{
    struct timespec pause = {(time_t)(microseconds / 1000000), (long)(microseconds % 1000000) * 1000};
    nanosleep(&pause, NULL);
}
