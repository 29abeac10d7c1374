/* The 512 bytes that a BIOS starts, in two variants made from this one source.

   -DON_DISK: lies in page 0 of the disk under proof (harness/materialise/rendering.py puts name,
   volume, write number and CRC around it); the checker is on the second disk.
   Otherwise: first sector of the checker's own disk, which the BIOS starts when page 0 of the disk
   under proof holds no boot sector (it was never written, or trimmed); that is the second disk then.

   Either loads the checker and enters it with BL = drive under proof, CL = drive of the checker. */
.code16
.intel_syntax noprefix
.globl _start
_start:
    jmp near ptr begin
.org 32, 0
begin:
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov esp, 0x7c00
    cld
    mov si, offset packet
#ifdef ON_DISK
    mov dl, 0x81
#else
    mov dl, 0x80
#endif
    mov ah, 0x42                /* extended read */
    int 0x13
    jc failed
#ifdef ON_DISK
    mov bl, 0x80
    mov cl, 0x81
#else
    mov bl, 0x81
    mov cl, 0x80
#endif
    jmp 0:CHECKER_ADDRESS
failed:
    mov al, 0x12                /* exit status 37: the checker could not be read */
    mov dx, 0x501
    out dx, al
stop:
    hlt
    jmp stop
packet:
    .byte 16, 0
    .word CHECKER_SECTORS
    .word CHECKER_ADDRESS, 0
    .quad 1
.org 510, 0
    .word 0xaa55
