/* The options of this boot: the words mp.NAME=VALUE of the kernel's command line. */
#include "agent.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_OPTIONS 32

static char command_line[4096];
static const char *names[MAX_OPTIONS];
static const char *values[MAX_OPTIONS];
static unsigned count;

static void remember(char *word)
{
    char *equals = strchr(word, '=');
    if (strncmp(word, "mp.", 3) != 0 || equals == NULL || count == MAX_OPTIONS)
        return;
    *equals = '\0';
    names[count] = word + 3;
    values[count] = equals + 1;
    count++;
}

void options_load(void)
{
    int descriptor = open("/proc/cmdline", O_RDONLY);
    ssize_t length = descriptor < 0 ? 0 : read(descriptor, command_line, sizeof command_line - 1);
    if (length < 0)
        length = 0;
    command_line[length] = '\0';
    close(descriptor);
    for (char *word = strtok(command_line, " \n"); word != NULL; word = strtok(NULL, " \n"))
        remember(word);
}

const char *option_text(const char *name, const char *otherwise)
{
    for (unsigned i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return values[i];
    return otherwise;
}

uint64_t option_number(const char *name, uint64_t otherwise)
{
    const char *text = option_text(name, NULL);
    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}
