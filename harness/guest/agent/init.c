/* PID 1: brings the guest up, runs the one role that the kernel's command line names, and ends the machine. */
#include "agent.h"

#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

struct role {
    const char *name;
    void (*run)(void);
};

static const struct role ROLES[] = {
    {"workload", workload_run},
    {"raw", raw_run},
    {"fsyncbench", fsyncbench_run},
    {"prove", prove_run},
};

static void mount_kernel_folders(void)
{
    mkdir("/proc", 0755);
    mkdir("/sys", 0755);
    mkdir("/dev", 0755);
    mkdir(MOUNT_POINT, 0755);
    mount("proc", "/proc", "proc", 0, NULL);
    mount("sysfs", "/sys", "sysfs", 0, NULL);
    mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
}

static void run_role(const char *name)
{
    for (size_t i = 0; i < sizeof ROLES / sizeof ROLES[0]; i++)
        if (strcmp(ROLES[i].name, name) == 0) {
            ROLES[i].run();
            return;
        }
    port_say("error role the agent has no role named %s", name);
    port_say("end verdict=inconclusive reason=unknown-role");
}

int main(void)
{
    mount_kernel_folders();
    options_load();
    modules_load();
    port_open();
    run_role(option_text("role", "none"));
    sync();
    reboot(RB_AUTOBOOT); /* QEMU runs with -no-reboot: it closes its disks and exits */
    return 1;
}
