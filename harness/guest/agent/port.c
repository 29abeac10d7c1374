/* The virtio-serial port named mountproof.0: one line, one write(), one lock, so that the order of lines is a time order.
 *
 * virtio_console's write returns when QEMU has taken the bytes, so a line that port_say has sent
 * survives the machine's end, whatever comes next.
 */
#include "agent.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PORT_NAME "mountproof.0"
#define PORTS "/sys/class/virtio-ports"
#define LINE_BYTES 1024
#define PATIENCE_MS 20000

static int port = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static bool has_our_name(const char *device)
{
    char path[512], name[64] = "";
    snprintf(path, sizeof path, PORTS "/%s/name", device);
    int descriptor = open(path, O_RDONLY);
    if (descriptor < 0)
        return false;
    ssize_t length = read(descriptor, name, sizeof name - 1);
    close(descriptor);
    return length > 0 && strncmp(name, PORT_NAME, strlen(PORT_NAME)) == 0;
}

static bool try_to_open(void)
{
    DIR *folder = opendir(PORTS);
    if (folder == NULL)
        return false;
    for (struct dirent *entry; port < 0 && (entry = readdir(folder)) != NULL;) {
        char path[512];
        snprintf(path, sizeof path, "/dev/%s", entry->d_name);
        if (entry->d_name[0] != '.' && has_our_name(entry->d_name))
            port = open(path, O_RDWR | O_CLOEXEC);
    }
    closedir(folder);
    return port >= 0;
}

void port_open(void)
{
    /* The driver announces its ports from a work queue, some time after the module is loaded. */
    uint64_t deadline = clock_ms() + PATIENCE_MS;
    while (!try_to_open() && clock_ms() < deadline)
        clock_sleep_us(1000);
    if (port < 0)
        dprintf(STDOUT_FILENO, "mountproof: no virtio-serial port named " PORT_NAME "\n");
}

void port_say(const char *format, ...)
{
    char line[LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line - 1, format, arguments);
    va_end(arguments);
    if (length < 0)
        return;
    if (length > LINE_BYTES - 2)
        length = LINE_BYTES - 2;
    line[length++] = '\n';
    pthread_mutex_lock(&lock);
    for (int sent = 0; sent < length;) {
        ssize_t step = write(port, line + sent, (size_t)(length - sent));
        if (step <= 0)
            break;
        sent += (int)step;
    }
    pthread_mutex_unlock(&lock);
}

bool port_hear(char *line, size_t size, int wait_ms)
{
    size_t length = 0;
    struct pollfd watched = {port, POLLIN, 0};
    while (length + 1 < size && poll(&watched, 1, length == 0 ? wait_ms : PATIENCE_MS) == 1) {
        if (!(watched.revents & POLLIN) || read(port, line + length, 1) != 1)
            return false; /* the harness has gone */
        if (line[length] == '\n') {
            line[length] = '\0';
            return true;
        }
        length++;
    }
    return false;
}
