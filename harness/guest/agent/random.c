/* splitmix64: repeatable random numbers from a seed. */
#include "agent.h"

#define GOLDEN UINT64_C(0x9E3779B97F4A7C15)

uint64_t random_mix(uint64_t x)
{
    x += GOLDEN;
    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    return x ^ (x >> 31);
}

uint64_t random_next(uint64_t *state)
{
    uint64_t value = random_mix(*state);
    *state += GOLDEN;
    return value;
}

uint64_t random_below(uint64_t *state, uint64_t limit)
{
    return limit == 0 ? 0 : random_next(state) % limit;
}
