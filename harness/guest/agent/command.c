/* Runs a program of the initramfs and hands every line of its output to the port. */
#include "agent.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t start(char *const arguments[], int output)
{
    pid_t child = fork();
    if (child != 0)
        return child;
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    execv(arguments[0], arguments);
    _exit(127);
}

static void forward(const char *name, int input)
{
    char line[512];
    FILE *stream = fdopen(input, "r");
    if (stream == NULL)
        return;
    while (fgets(line, sizeof line, stream) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        port_say("out %s %s", name, line);
    }
    fclose(stream);
}

int command_run(const char *name, char *const arguments[])
{
    int ends[2], status = 0;
    if (pipe(ends) != 0)
        return -1;
    pid_t child = start(arguments, ends[1]);
    close(ends[1]);
    if (child < 0) {
        close(ends[0]);
        return -1;
    }
    forward(name, ends[0]);
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status))
        return -1;
    return WEXITSTATUS(status);
}
