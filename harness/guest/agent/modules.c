/* Loads the kernel modules of the initramfs in the order that the build wrote down (a module after those it needs). */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static void load(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "/modules/%s", name);
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0 || syscall(SYS_finit_module, descriptor, "", 0) != 0)
        dprintf(STDOUT_FILENO, "mountproof: module %s: %s\n", name, strerror(errno));
    close(descriptor);
}

void modules_load(void)
{
    char name[128];
    FILE *order = fopen("/modules/order", "re");
    if (order == NULL)
        return;
    while (fscanf(order, "%127s", name) == 1)
        load(name);
    fclose(order);
}
