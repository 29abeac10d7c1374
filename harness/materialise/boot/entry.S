/* First bytes of the checker: hand the two drive numbers over to C. */
.code16
.intel_syntax noprefix
.globl _start
_start:
    movzx eax, bl
    movzx edx, cl
    .att_syntax
    calll check
stop:
    hlt
    jmp stop
